local xml = require "cloudhsmv2.credentials.xml"

local BOM = "\239\187\191"

-- What an element says, in brief: its text, or its children in order.
local function brief(element)
  if #element.children == 0 then
    return { element.name, element.text }
  end
  local list = { element.name }
  for i, child in ipairs(element.children) do
    list[i + 1] = brief(child)
  end
  return list
end

local function text_of(document)
  local root = xml.read(document)
  return root and root.text
end

describe("a document of XML", function()
  it("becomes elements with names, texts and children", function()
    assert.are.same(
      { "a", { "b", "1" }, { "c", { "d", "2" }, { "d", "3" } } },
      brief(xml.read "<a><b>1</b><c><d>2</d><d>3</d></c></a>")
    )
    assert.are.same({ "a", "" }, brief(xml.read "<a/>"))
    assert.are.same({ "a", { "b", "" }, { "c", "" } }, brief(xml.read "<a><b/><c></c></a>"))
  end)

  it("keeps the text around children, and the blanks of a text", function()
    local root = xml.read "<a> one <b>two</b> three </a>"
    assert.are.equal(" one  three ", root.text)
    assert.are.equal("two", root.children[1].text)
  end)

  it("may have a declaration, comments, instructions and blanks around and inside", function()
    local text = BOM
      .. '<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- a - comment --><?php x ?>\n <a ><!-- < & > --><b\n>1<?x y?>2</b\t></a >\n'
      .. "<!-- after --> <?and after?>\n"
    assert.are.same({ "a", { "b", "12" } }, brief(xml.read(text)))
  end)

  it("may have attributes and prefixes, which count for nothing", function()
    assert.are.same(
      { "a", { "b", "1" } },
      brief(
        xml.read [[<x:a xmlns:x="https://sts.amazonaws.com/doc/2011-06-15/" y = 'a "quoted" > one'><x:b z="&"/></x:a>]]
      ) and brief(xml.read '<x:a xmlns:x="u"><x:b c=">">1</x:b></x:a>')
    )
    assert.are.same({ "a", "" }, brief(xml.read "<a b='1'c=\"2\"/>"))
  end)

  it("may have its own five entities, and any character by its number", function()
    assert.are.equal([[<>&"']], text_of "<a>&lt;&gt;&amp;&quot;&apos;</a>")
    assert.are.equal("&lt;", text_of "<a>&amp;lt;</a>")
    for number, bytes in pairs {
      ["#65"] = "A",
      ["#x41"] = "A",
      ["#0000065"] = "A",
      ["#9"] = "\t",
      ["#x7F"] = "\127",
      ["#233"] = "\195\169",
      ["#x7ff"] = "\223\191",
      ["#x800"] = "\224\160\128",
      ["#x20AC"] = "\226\130\172",
      ["#xD7FF"] = "\237\159\191",
      ["#xFFFD"] = "\239\191\189",
      ["#x10000"] = "\240\144\128\128",
      ["#x1F600"] = "\240\159\152\128",
      ["#x10FFFF"] = "\244\143\191\191",
    } do
      assert.are.equal(bytes, text_of("<a>&" .. number .. ";</a>"))
    end
  end)

  it("has text as it is in CDATA", function()
    assert.are.equal("x<b>&amp;]]y", text_of "<a>x<![CDATA[<b>&amp;]]]]><![CDATA[y]]></a>")
    assert.are.equal("", text_of "<a><![CDATA[]]></a>")
  end)
end)

describe("what is no document of this kind", function()
  local broken = {
    ["nothing"] = "",
    ["blanks"] = " \n",
    ["only a mark of the byte order"] = BOM,
    ["only a declaration"] = '<?xml version="1.0"?>',
    ["a text"] = "hello",
    ["JSON"] = '{"a":1}',
    ["a document type"] = "<!DOCTYPE a><a/>",
    ["a document type that defines entities"] = '<!DOCTYPE a [<!ENTITY x "boom"><!ENTITY y "&x;&x;">]><a>&y;</a>',
    ["a document type that reads a file"] = '<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    ["a page"] = "<!doctype html><html><body>sign in<br></body></html>",
    ["an element that is not closed"] = "<a><b></a>",
    ["the end in the middle"] = "<a><b>1</b>",
    ["the end in a tag"] = "<a><b",
    ["the end in an attribute"] = '<a b="1',
    ["the end in a closing tag"] = "<a></a",
    ["the end in a comment"] = "<a><!-- 1 </a>",
    ["a comment that is none"] = "<a><!--></a>",
    ["the end in CDATA"] = "<a><![CDATA[1]]</a>",
    ["the end in an instruction"] = "<a><?x </a>",
    ["the end in a comment before it"] = "<!-- <a/>",
    ["another closing tag"] = "<a>1</b>",
    ["a closing tag that begins alike"] = "<a>1</ab>",
    ["a closing tag too many"] = "<a></a></a>",
    ["two roots"] = "<a/><b/>",
    ["text behind it"] = "<a/>text",
    ["text before it"] = "text<a/>",
    ["a tag without a name"] = "<><a/></>",
    ["a name that begins with a digit"] = "<1a></1a>",
    ["a blank before the name"] = "< a></ a>",
    ["an attribute without a value"] = "<a b></a>",
    ["an attribute without quotes"] = "<a b=1></a>",
    ["an attribute without a name"] = '<a ="1"></a>',
    ["a slash in a tag"] = "<a / ></a>",
    ["an unknown entity"] = "<a>&nbsp;</a>",
    ["an ampersand"] = "<a>this & that</a>",
    ["an ampersand at the end"] = "<a>this &</a>",
    ["an entity without its end"] = "<a>&lt</a>",
    ["an entity in an entity"] = "<a>&l&lt;t;</a>",
    ["an entity without a name"] = "<a>&;</a>",
    ["a number that is none"] = "<a>&#;</a>",
    ["a number in letters"] = "<a>&#4x;</a>",
    ["a number in the letters of base 16"] = "<a>&#4F;</a>",
    ["a sign before a number"] = "<a>&#-65;</a>",
    ["a zero byte by its number"] = "<a>&#0;</a>",
    ["a control character by its number"] = "<a>&#x1B;</a>",
    ["half of a surrogate pair"] = "<a>&#xD800;</a>",
    ["no character by its number"] = "<a>&#xFFFF;</a>",
    ["a number beyond Unicode"] = "<a>&#x110000;</a>",
    ["an endless number"] = "<a>&#" .. ("9"):rep(400) .. ";</a>",
  }
  for what, document in pairs(broken) do
    it("is refused: " .. what, function()
      assert.is_nil(xml.read(document))
    end)
  end

  it("is refused wherever a document is cut off", function()
    local document = '<?xml version="1.0"?><!-- c --><a b="1"><c>&lt;<![CDATA[x]]></c><d/></a>'
    for length = 0, #document - 1 do
      assert.is_nil(xml.read(document:sub(1, length)))
    end
    assert.is_table(xml.read(document))
  end)

  it("is refused beyond a depth that no answer has, and a million levels do no harm", function()
    local function nested(depth)
      return ("<a>"):rep(depth) .. ("</a>"):rep(depth)
    end
    assert.is_table(xml.read(nested(32)))
    assert.is_nil(xml.read(nested(33)))
    assert.is_nil(xml.read(nested(1000000)))
    assert.is_nil(xml.read(("<a>"):rep(1000000)))
  end)
end)

describe("a megabyte", function()
  local SIZE = 2 ^ 20

  for what, made in pairs {
    text = { "<a>", "x", "</a>" },
    elements = { "<a>", "<b>1</b>", "</a>" },
    entities = { "<a>", "&amp;", "</a>" },
    comments = { "<a>", "<!-- - -->", "</a>" },
    CDATA = { "<a>", "<![CDATA[]]]]>", "</a>" },
    blanks = { "<a", " ", "></a>" },
    attributes = { "<a", " b='1'", "/>" },
    ["a long name"] = { "<a", "a", "/>" },
  } do
    it("of " .. what .. " is read to its end", function()
      local document = made[1] .. made[2]:rep(math.floor(SIZE / #made[2])) .. made[3]
      assert.are.equal("table", type(xml.read(document)))
    end)
  end

  for what, unit in pairs {
    ["comments that do not end"] = "<!--",
    ["instructions that do not end"] = "<?",
    ["CDATA that does not end"] = "<![CDATA[",
    ["tags that do not end"] = "<a ",
    ["ampersands"] = "&",
    ["entities that do not end"] = "&lt",
    ["quotes"] = "<a b='",
    ["closing tags"] = "</a>",
    ["blanks"] = " ",
  } do
    it("of " .. what .. " is refused", function()
      assert.is_nil(xml.read("<a>" .. unit:rep(math.floor(SIZE / #unit))))
      assert.is_nil(xml.read(unit:rep(math.floor(SIZE / #unit))))
    end)
  end
end)
