/* The parts of the core that the codec stands on: numbers, dates, base64, JSON text, names. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../src/core/base64.h"
#include "../../src/core/buffer.h"
#include "../../src/core/date.h"
#include "../../src/core/json.h"
#include "../../src/core/number.h"
#include "../../src/core/shape.h"
#include "check.h"


/* xorshift: the same numbers on every run */
static uint64_t random_bits(void) {
  static uint64_t state = UINT64_C(88172645463325252);
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}


static void reads_numbers_as_the_c_library_does(void) {
  static const char *const cases[] = {
    "0",
    "-0",
    "1",
    "0.1",
    "1e22",
    "1e23",
    "8.5e22",
    "4.35",
    "0.3e1",
    "1535388510.149",
    "1.535388510149E9",
    "9007199254740993",
    "2.4703282292062327208e-324",
    "2.4703282292062328e-324",
    "5e-324",
    "2.2250738585072011e-308",
    "1.7976931348623158e308",
    "179769313486231580793728971405301e276",
    "1e-400",
    "123456789012345678901234567890",
    "0.000000000000000000000000000000000000000000000000000000000001",
    "9007199254740992.5000000000000000000000000000000001",
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double value = -1;
    CHECK_EQ_INT(CHSM_OK, chsm_number_to_double(cases[i], strlen(cases[i]), &value));
    CHECK(value == strtod(cases[i], NULL));
  }
  double value;
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_number_to_double("1e309", 5, &value));
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_number_to_double("1.7976931348623159e308", 22, &value));
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_number_to_double("1e99999999999999999999", 22, &value));
}


static void rounds_every_random_number_both_ways(void) {
  unsigned long wrong = 0;
  for (int i = 0; i < 20000; i++) {
    uint64_t bits = random_bits();
    double value;
    double back;
    char text[CHSM_NUMBER_TEXT + 1];
    if (i % 4 == 1) bits &= UINT64_C(0x000FFFFFFFFFFFFF) >> (random_bits() % 40); /* subnormal */
    memcpy(&value, &bits, sizeof value);
    if (i % 4 == 2) value = (double)(random_bits() >> 20) / 1000;
    if (!isfinite(value)) continue;
    size_t length = chsm_number_from_double(value, text);
    text[length] = 0;
    bool integral;
    if (chsm_number_scan(text, length, &integral) != length || strtod(text, NULL) != value ||
        chsm_number_to_double(text, length, &back) != CHSM_OK || back != value)
      wrong++;
  }
  CHECK_EQ_INT(0, wrong);
}


static void reads_short_numbers_in_one_go_and_to_the_same_value(void) {
  static const char *const texts[] = { "0.5", "-0.125", "7", "0", "12", "1725900001.678", "999999999999999", "0.00000000000001", "-7.25" };
  static const char *const left[] = { "", "-", "-.5", ".5", "1.", "01", "00.5", "1e5", "1.5E2", "1234567890123456", "0.1234567890123456" };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    double value = 0;
    CHECK_EQ_INT(strlen(texts[i]), chsm_number_read(texts[i], strlen(texts[i]), &value));
    CHECK(value == strtod(texts[i], NULL));
  }
  double ignored;
  for (size_t i = 0; i < sizeof left / sizeof *left; i++)
    CHECK_EQ_INT(0, chsm_number_read(left[i], strlen(left[i]), &ignored));
  CHECK_EQ_INT(3, chsm_number_read("1.5,", 4, &ignored));

  int wrong = 0;
  for (int i = 0; i < 20000; i++) {
    char text[CHSM_NUMBER_TEXT + 1];
    double value = 0, expected = (double)(random_bits() >> (24 + random_bits() % 30)) / 1000;
    size_t length = chsm_number_from_double(expected, text), read = chsm_number_read(text, length, &value);
    wrong += read && (read != length || value != expected);
  }
  CHECK_EQ_INT(0, wrong);
}


static void writes_numbers_shortly(void) {
  static const struct {
    double value;
    const char *text;
  } cases[] = {
    { 0, "0" },
    { 5, "5" },
    { -7, "-7" },
    { 0.1, "0.1" },
    { 1535388510.149, "1535388510.149" },
    { 1e15, "1000000000000000" },
    { 1e22, "1e22" },
    { 1.5e-7, "1.5e-7" },
    { 0.001, "0.001" },
    { 123.456, "123.456" },
    { 5e-324, "5e-324" },
    { DBL_MAX, "1.7976931348623157e308" },
    { 1234.5, "1234.5" },
    { 1.0 / 3, "0.3333333333333333" },
  };
  char text[CHSM_NUMBER_TEXT];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_EQ_BYTES(cases[i].text, text, chsm_number_from_double(cases[i].value, text));
  CHECK_EQ_BYTES("-9223372036854775808", text, chsm_number_from_integer(INT64_MIN, text));
  CHECK_EQ_BYTES("9223372036854775807", text, chsm_number_from_integer(INT64_MAX, text));
}


static void knows_the_grammar_of_numbers(void) {
  static const char *const refused[] = { "", "-", ".5", "01x", "+1", "1.", "1.e5", "1e", "1e+", "x", "0x10", "NaN", "Infinity" };
  bool integral;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    CHECK(chsm_number_scan(refused[i], strlen(refused[i]), &integral) != strlen(refused[i]) || !*refused[i]);
  CHECK_EQ_INT(1, chsm_number_scan("01", 2, &integral)); /* the zero alone */
  CHECK_EQ_INT(2, chsm_number_scan("12", 2, &integral));
  CHECK(integral);
  CHECK_EQ_INT(3, chsm_number_scan("3e0", 3, &integral));
  CHECK(!integral);
}


static void takes_integers_of_64_bits_and_no_more(void) {
  int64_t value;
  CHECK_EQ_INT(CHSM_OK, chsm_number_to_integer("9223372036854775807", 19, &value));
  CHECK_EQ_INT(INT64_MAX, value);
  CHECK_EQ_INT(CHSM_OK, chsm_number_to_integer("-9223372036854775808", 20, &value));
  CHECK_EQ_INT(INT64_MIN, value);
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_number_to_integer("9223372036854775808", 19, &value));
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_number_to_integer("-9223372036854775809", 20, &value));
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_number_to_integer("99999999999999999999999", 23, &value));
  CHECK_EQ_INT(CHSM_OK, chsm_number_to_integer("3.0", 3, &value));
  CHECK_EQ_INT(3, value);
  CHECK_EQ_INT(CHSM_INVALID, chsm_number_to_integer("3.5", 3, &value));
}


static void reads_dates_in_every_form(void) {
  static const struct {
    const char *text;
    double seconds;
  } cases[] = {
    { "1398796238", 1398796238 },
    { "1.535388510149E9", 1535388510.149 },
    { "2014-04-29T18:30:38Z", 1398796238 },
    { "2000-01-02T20:34:56.123Z", 946845296.123 },
    { "2000-01-02T20:34:56", 946845296 },
    { "2000-01-02T20:34:56.123456", 946845296.123456 },
    { "2019-12-16T22:48:18-01:00", 1576540098 },
    { "2019-12-17T01:48:18+02:00", 1576540098 },
    { "2019-12-17T01:48:18+0200", 1576540098 },
    { "Tue, 29 Apr 2014 18:30:38 GMT", 1398796238 },
    { "Sun, 02 Jan 2000 20:34:56.456 GMT", 946845296.456 },
    { "1970-01-01T00:00:00Z", 0 },
    { "1969-12-31T23:59:59Z", -1 },
    { "2000-02-29T00:00:00Z", 951782400 },
    { "2100-03-01T00:00:00Z", 4107542400 },
    { "2038-01-19T03:14:08Z", 2147483648 },
    { "9999-12-31T23:59:59Z", 253402300799 },
    { "0001-01-01T00:00:00Z", -62135596800 },
  };
  static const char *const refused[] = {
    "",
    "soon",
    "2000-01-02",
    "2000-13-01T00:00:00Z",
    "2001-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2000-01-02T24:00:00Z",
    "2000-01-02T20:34:56+",
    "2000-01-02T20:34:56 ",
    "2000-01-02T20:34:56.Z",
    "2000-01-02T20:34:56Zx",
    "Tue, 29 Foo 2014 18:30:38 GMT",
    "Tue, 29 Apr 2014 18:30:38 CET",
    "Tue, 29 Apr 2014 18:30:38. GMT",
    "Dea, 29 Apr 2014 18:30:38 GMT",
    "1e400",
    "253402300800",
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double seconds = -12345;
    CHECK_EQ_INT(CHSM_OK, chsm_date_read(cases[i].text, strlen(cases[i].text), &seconds));
    CHECK(seconds == cases[i].seconds);
  }
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    double seconds;
    CHECK(chsm_date_read(refused[i], strlen(refused[i]), &seconds) != CHSM_OK);
  }
  double seconds;
  CHECK_EQ_INT(CHSM_INVALID, chsm_date_read("2000-01-02\0"
                                            "20:34:56Z",
                                            20, &seconds)); /* a NUL is no separator */
  CHECK_EQ_INT(CHSM_OK, chsm_date_read("Tue, 29 Apr 2014 18:30:38.1234567890123456789 GMT", 49, &seconds));
}


static void writes_dates_that_it_reads_back(void) {
  char text[CHSM_DATE_TEXT];
  CHECK_EQ_BYTES("2000-01-02T20:34:56.123Z", text, chsm_date_write(946845296.123, CHSM_ISO_8601, text));
  CHECK_EQ_BYTES("2000-01-02T20:34:56Z", text, chsm_date_write(946845296, CHSM_ISO_8601, text));
  CHECK_EQ_BYTES("Tue, 29 Apr 2014 18:30:38 GMT", text, chsm_date_write(1398796238, CHSM_HTTP_DATE, text));
  CHECK_EQ_BYTES("Wed, 31 Dec 1969 23:59:59 GMT", text, chsm_date_write(-1, CHSM_HTTP_DATE, text));
  CHECK_EQ_BYTES("1535388510.149", text, chsm_date_write(1535388510.149, CHSM_EPOCH_SECONDS, text));
  CHECK_EQ_BYTES("2000-01-01T00:00:00Z", text, chsm_date_write(946684799.9999, CHSM_ISO_8601, text));
  CHECK_EQ_BYTES("9999-12-31T23:59:59.999Z", text, chsm_date_write(253402300799.9999, CHSM_ISO_8601, text));
  for (int i = 0; i < 5000; i++) {
    double seconds = (double)(random_bits() % UINT64_C(315537897600)) - 62135596800.0;
    double back = 0;
    for (int form = CHSM_EPOCH_SECONDS; form <= CHSM_HTTP_DATE; form++) {
      size_t length = chsm_date_write(seconds, (chsm_date_format)form, text);
      if (chsm_date_read(text, length, &back) != CHSM_OK || back != seconds) {
        CHECK(back == seconds);
        return;
      }
    }
  }
}


static void knows_base64(void) {
  static const char *const pairs[][2] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
  }; /* RFC 4648, section 10 */
  static const char *const refused[] = { "Z", "Zg", "Zg=", "Zg=A", "Z===", "====", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "Zm-_" };
  chsm_buffer out = { .bytes = NULL };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    chsm_buffer_clear(&out);
    CHECK_EQ_INT(CHSM_OK, chsm_base64_encode(pairs[i][0], strlen(pairs[i][0]), &out));
    CHECK_EQ_BYTES(pairs[i][1], out.bytes, out.length);
    chsm_buffer_clear(&out);
    CHECK_EQ_INT(CHSM_OK, chsm_base64_decode(pairs[i][1], strlen(pairs[i][1]), &out));
    CHECK_EQ_BYTES(pairs[i][0], out.bytes, out.length);
  }
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    CHECK_EQ_INT(CHSM_INVALID, chsm_base64_decode(refused[i], strlen(refused[i]), &out));
  chsm_buffer_wipe(&out);
}


static void checks_utf_8_by_its_bytes(void) {
  static const char *const good[] = {
    "", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"
  };
  static const char *const bad[] = {
    "\x80",             /* a continuation alone */
    "\xC3",             /* cut */
    "\xC0\xAF",         /* overlong */
    "\xE0\x80\xAF",     /* overlong */
    "\xF0\x80\x80\xAF", /* overlong */
    "\xED\xA0\x80",     /* a surrogate */
    "\xF4\x90\x80\x80", /* beyond U+10FFFF */
    "\xF5\x80\x80\x80",
    "\xFF",
    "abc\xE2\x82",
  };
  size_t characters;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    CHECK_EQ_INT(strlen(good[i]), chsm_utf8_check(good[i], strlen(good[i]), &characters));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(chsm_utf8_check(bad[i], strlen(bad[i]), &characters) < strlen(bad[i]));
  chsm_utf8_check("a\xC3\xA9\xF0\x9F\x98\x80", 7, &characters);
  CHECK_EQ_INT(3, characters);
}


static void writes_and_reads_every_string(void) {
  chsm_buffer out = { .bytes = NULL };
  chsm_buffer scratch = { .bytes = NULL };
  CHECK_EQ_INT(CHSM_OK, chsm_json_write_string(&out, "a\"\\/\b\f\n\r\t\x01\x7F\xC3\xA9", 13));
  CHECK_EQ_BYTES("\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7F\xC3\xA9\"", out.bytes, out.length);
  chsm_json_reader reader = { out.bytes, out.bytes + out.length, NULL };
  chsm_json_token token;
  CHECK_EQ_INT(CHSM_OK, chsm_json_string(&reader, &scratch, &token));
  CHECK_EQ_BYTES("a\"\\/\b\f\n\r\t\x01\x7F\xC3\xA9", token.bytes, token.length);
  CHECK(reader.at == reader.end);

  /* every position inside a chunk of the fast scan, for every kind of byte that ends a plain run */
  for (size_t before = 0; before < 20; before++) {
    static const char *const special[] = { "\"", "\\", "\n", "\xC3\xA9", "\xE2\x82\xAC" };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
      char text[64];
      size_t length = before;
      memset(text, 'x', sizeof text);
      memcpy(text + length, special[i], strlen(special[i]));
      length += strlen(special[i]) + 9;
      chsm_buffer_clear(&out);
      CHECK_EQ_INT(CHSM_OK, chsm_json_write_string(&out, text, length));
      reader = (chsm_json_reader) { out.bytes, out.bytes + out.length, NULL };
      CHECK_EQ_INT(CHSM_OK, chsm_json_string(&reader, &scratch, &token));
      CHECK(token.length == length && !memcmp(token.bytes, text, length));
    }
  }

  size_t before = out.length;
  CHECK_EQ_INT(CHSM_INVALID, chsm_json_write_string(&out,
                                                    "ab\xFF"
                                                    "cd",
                                                    5));
  CHECK_EQ_INT(before, out.length);
  out.cap = out.length + 3;
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_json_write_string(&out, "abcdef", 6));
  CHECK_EQ_INT(before, out.length);
  chsm_buffer_wipe(&out);
  chsm_buffer_wipe(&scratch);
}


static void refuses_broken_strings(void) {
  static const char *const broken[] = {
    "\"abc",       "\"a\\",    "\"\\x\"",  "\"\\u12\"",   "\"\\ud83d\"", "\"\\ud83dx\"", "\"\\ud83d\\u0041\"",
    "\"\\ude00\"", "\"a\nb\"", "\"\xFF\"", "\"\\u123g\"",
  };
  chsm_buffer scratch = { .bytes = NULL };
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    chsm_json_reader reader = { broken[i], broken[i] + strlen(broken[i]), NULL };
    chsm_json_token token;
    CHECK_EQ_INT(CHSM_INVALID, chsm_json_string(&reader, &scratch, &token));
    CHECK(reader.problem != NULL);
  }
  chsm_buffer_wipe(&scratch);
}


static void finds_names_and_guesses_misspelt_ones(void) {
  static const char *const words[] = { "BackupId", "BackupArn", "NeverExpires", "TagList", "Mode", "" };
  const uint32_t count = sizeof words / sizeof *words;
  chsm_model model = { .blocks = NULL };
  chsm_names names = { .list = NULL };
  CHECK_EQ_INT(CHSM_NO_NAME, chsm_names_find(&names, "x", 1));
  CHECK_EQ_INT(CHSM_OK, chsm_names_reserve(&model, &names, count));
  for (uint32_t i = 0; i < count; i++)
    CHECK_EQ_INT(CHSM_OK, chsm_model_name(&model, &names.list[i], words[i], strlen(words[i])));
  CHECK_EQ_INT(CHSM_OK, chsm_names_index(&model, &names));
  for (uint32_t i = 0; i < count; i++)
    CHECK_EQ_INT(i, chsm_names_find(&names, words[i], strlen(words[i])));
  CHECK_EQ_INT(CHSM_NO_NAME, chsm_names_find(&names, "backupId", 8));
  CHECK_EQ_INT(0, chsm_names_nearest(&names, "BackupID", 8));
  CHECK_EQ_INT(0, chsm_names_nearest(&names, "backup_id", 9));
  CHECK_EQ_INT(2, chsm_names_nearest(&names, "NeverExpire", 11));
  CHECK_EQ_INT(CHSM_NO_NAME, chsm_names_nearest(&names, "Quatsch", 7));
  CHECK_EQ_INT(CHSM_NO_NAME, chsm_names_nearest(&names, "", 0));

  chsm_names twice = { .list = NULL };
  CHECK_EQ_INT(CHSM_OK, chsm_names_reserve(&model, &twice, 2));
  CHECK_EQ_INT(CHSM_OK, chsm_model_name(&model, &twice.list[0], "same", 4));
  CHECK_EQ_INT(CHSM_OK, chsm_model_name(&model, &twice.list[1], "same", 4));
  CHECK_EQ_INT(CHSM_INVALID, chsm_names_index(&model, &twice));
  chsm_model_free(&model);
  chsm_model_free(&model);
}


static void keeps_buffers_inside_their_caps(void) {
  chsm_buffer buffer = { .cap = 300 };
  char bytes[301] = { 0 };
  CHECK_EQ_INT(CHSM_OK, chsm_buffer_append(&buffer, bytes, 300));
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_buffer_append(&buffer, bytes, 1));
  CHECK_EQ_INT(300, buffer.length);
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_buffer_reserve(&buffer, SIZE_MAX));
  CHECK_EQ_INT(CHSM_TOO_LARGE, chsm_buffer_reserve(&buffer, SIZE_MAX - 299));
  CHECK_EQ_INT(300, buffer.length);
  chsm_buffer_wipe(&buffer);
  chsm_buffer_wipe(&buffer);
  CHECK_EQ_INT(CHSM_OK, chsm_buffer_append(&buffer, bytes, 1));
  chsm_buffer_wipe(&buffer);
}


int main(void) {
  reads_numbers_as_the_c_library_does();
  rounds_every_random_number_both_ways();
  reads_short_numbers_in_one_go_and_to_the_same_value();
  writes_numbers_shortly();
  knows_the_grammar_of_numbers();
  takes_integers_of_64_bits_and_no_more();
  reads_dates_in_every_form();
  writes_dates_that_it_reads_back();
  knows_base64();
  checks_utf_8_by_its_bytes();
  writes_and_reads_every_string();
  refuses_broken_strings();
  finds_names_and_guesses_misspelt_ones();
  keeps_buffers_inside_their_caps();
  return check_finish();
}
