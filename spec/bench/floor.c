/* The floor under the client: the least that the same work costs in C. libcurl alone; libcurl with a signature for each request and Lua
   tables of each answer, built in one pass; a signature over OpenSSL's low-level SHA-256 with a cached key; Lua tables built from
   what was parsed before. None of it checks what a client has to check: no UTF-8, no depth, no types, no limits.

   Usage: floor serve HTTP HTTPS CA_FILE    works of standard input, a line each: `work count`; answers `cpu wall` in microseconds a call
          floor once URL CA_FILE CA_FOLDER  one signed call, and out; `-` is none
          floor spawn                       lines `count command...`; answers `cpu wall peak` of a process, peak in KiB */
#define _GNU_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <lauxlib.h>
#include <lua.h>
#include <openssl/sha.h>

enum { MOST_KEYS = 64, MOST_OPS = 65536, MANY = 16, DIGEST = 32, BLOCK = 64 };

static const char SECRET[] = "AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
static const char REQUEST_BODY[] = "{\"Filters\":{\"states\":[\"READY\"]},\"MaxResults\":50}";
static char token[801];


static _Noreturn void die(const char *what) {
  fprintf(stderr, "floor: %s\n", what);
  exit(1);
}


/* ---- SigV4 ---- */

typedef struct hmac {
  SHA256_CTX inner, outer;
} hmac;

static char key_date[9];
static hmac signing_key;


static void hmac_key(hmac *key, const void *bytes, size_t length) {
  unsigned char block[BLOCK] = { 0 };
  memcpy(block, bytes, length);
  for (int i = 0; i < BLOCK; i++)
    block[i] ^= 0x36;
  SHA256_Init(&key->inner);
  SHA256_Update(&key->inner, block, BLOCK);
  for (int i = 0; i < BLOCK; i++)
    block[i] ^= 0x36 ^ 0x5C;
  SHA256_Init(&key->outer);
  SHA256_Update(&key->outer, block, BLOCK);
}


static void hmac_of(const hmac *key, const void *bytes, size_t length, unsigned char out[DIGEST]) {
  SHA256_CTX state = key->inner;
  SHA256_Update(&state, bytes, length);
  SHA256_Final(out, &state);
  state = key->outer;
  SHA256_Update(&state, out, DIGEST);
  SHA256_Final(out, &state);
}


static char *put(char *end, const void *bytes, size_t length) {
  memcpy(end, bytes, length);
  return end + length;
}


static char *put_text(char *end, const char *text) { return put(end, text, strlen(text)); }


static char *put_hash(char *end, const unsigned char hash[DIGEST]) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < DIGEST; i++) {
    *end++ = digits[hash[i] >> 4];
    *end++ = digits[hash[i] & 15];
  }
  return end;
}


/* Signs `body` for `host`: `date` gets the X-Amz-Date and `authorization` the header's value, both with a zero byte behind. */
static void sign(const char *host, const char *body, size_t length, char date[17], char *authorization) {
  static const char names[] = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
  char canonical[2048], to_sign[256], scope[64], *end = canonical, *scope_end = scope, *sign_end = to_sign;
  unsigned char hash[DIGEST];
  time_t now = time(NULL);
  struct tm parts;
  gmtime_r(&now, &parts);
  strftime(date, 17, "%Y%m%dT%H%M%SZ", &parts);
  if (memcmp(key_date, date, 8) != 0) {
    const char *steps[] = { "eu-west-1", "cloudhsm", "aws4_request" };
    hmac_key(&signing_key, SECRET, sizeof SECRET - 1);
    hmac_of(&signing_key, date, 8, hash);
    for (int i = 0; i < 3; i++) {
      hmac_key(&signing_key, hash, DIGEST);
      hmac_of(&signing_key, steps[i], strlen(steps[i]), hash);
    }
    hmac_key(&signing_key, hash, DIGEST);
    memcpy(key_date, date, 8);
  }
  end = put_text(end, "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:");
  end = put_text(end, host);
  end = put_text(end, "\nx-amz-date:");
  end = put(end, date, 16);
  end = put_text(end, "\nx-amz-security-token:");
  end = put(end, token, sizeof token - 1);
  end = put_text(end, "\nx-amz-target:BaldrApiService.DescribeBackups\n\n");
  end = put(end, names, sizeof names - 1);
  *end++ = '\n';
  SHA256((const unsigned char *)body, length, hash);
  end = put_hash(end, hash);
  SHA256((const unsigned char *)canonical, (size_t)(end - canonical), hash);
  scope_end = put(scope_end, date, 8);
  scope_end = put_text(scope_end, "/eu-west-1/cloudhsm/aws4_request");
  sign_end = put_text(sign_end, "AWS4-HMAC-SHA256\n");
  sign_end = put(sign_end, date, 16);
  *sign_end++ = '\n';
  sign_end = put(sign_end, scope, (size_t)(scope_end - scope));
  *sign_end++ = '\n';
  sign_end = put_hash(sign_end, hash);
  hmac_of(&signing_key, to_sign, (size_t)(sign_end - to_sign), hash);
  end = put_text(authorization, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
  end = put(end, scope, (size_t)(scope_end - scope));
  end = put_text(end, ", SignedHeaders=");
  end = put(end, names, sizeof names - 1);
  end = put_text(end, ", Signature=");
  end = put_hash(end, hash);
  *end = '\0';
}


/* ---- JSON to Lua tables ---- */

/* What a table needs, in the order of the text: replayed, it is pure table building. */
typedef struct op {
  char kind; /* { [ } ] k s n t f */
  int slot;  /* of a key; members or elements of what begins here */
  const char *bytes;
  size_t length;
  double number;
} op;

static lua_State *L;
static struct {
  const char *bytes;
  size_t length;
} keys[MOST_KEYS];
static int key_count;


/* The registry's slot of a key; a new one for a new key. */
static int key_slot(const char *bytes, size_t length) {
  for (int i = 0; i < key_count; i++)
    if (keys[i].length == length && memcmp(keys[i].bytes, bytes, length) == 0) return i;
  if (key_count == MOST_KEYS) die("too many keys");
  char *copy = malloc(length);
  memcpy(copy, bytes, length);
  keys[key_count].bytes = copy;
  keys[key_count].length = length;
  lua_pushlstring(L, bytes, length);
  lua_rawseti(L, LUA_REGISTRYINDEX, 1000 + key_count);
  return key_count++;
}


static double number_of(const char **at) {
  double value = 0, scale = 1;
  const char *p = *at;
  for (; *p >= '0' && *p <= '9'; p++)
    value = value * 10 + (*p - '0');
  if (*p == '.')
    for (p++; *p >= '0' && *p <= '9'; p++) {
      value = value * 10 + (*p - '0');
      scale *= 10;
    }
  *at = p;
  return value / scale;
}


static void push_number(double value) {
#if LUA_VERSION_NUM >= 503
  if (value == (double)(lua_Integer)value) {
    lua_pushinteger(L, (lua_Integer)value);
    return;
  }
#endif
  lua_pushnumber(L, value);
}


static int sizes[16]; /* of the last table at each depth: what the next is made with */


/* Builds the value at `at`; the byte behind it is returned. [-0, +1] */
static const char *build(const char *at, int depth) {
  switch (*at) {
  case '{': {
    int count = 0, slot = 0;
    lua_createtable(L, 0, sizes[depth]);
    for (at++; *at != '}'; count++) {
      if (*at == ',') at++;
      const char *end = memchr(at + 1, '"', 64);
      size_t length = (size_t)(end - at - 1);
      slot++;
      if (slot >= key_count || keys[slot].length != length || memcmp(keys[slot].bytes, at + 1, length) != 0)
        slot = key_slot(at + 1, length);
      lua_rawgeti(L, LUA_REGISTRYINDEX, 1000 + slot);
      at = build(end + 2, depth + 1);
      lua_rawset(L, -3);
    }
    sizes[depth] = count;
    return at + 1;
  }
  case '[': {
    int count = 0;
    lua_createtable(L, sizes[depth], 0);
    for (at++; *at != ']';) {
      if (*at == ',') at++;
      at = build(at, depth + 1);
      lua_rawseti(L, -2, ++count);
    }
    sizes[depth] = count;
    return at + 1;
  }
  case '"': {
    const char *end = strchr(at + 1, '"');
    lua_pushlstring(L, at + 1, (size_t)(end - at - 1));
    return end + 1;
  }
  case 't': lua_pushboolean(L, 1); return at + 4;
  case 'f': lua_pushboolean(L, 0); return at + 5;
  default: push_number(number_of(&at)); return at;
  }
}


/* Notes what `build` would do; the count of ops is returned. */
static size_t parse(const char *at, op *ops) {
  size_t count = 0, open[16];
  int depth = 0;
  bool is_key = false;
  for (; *at; at++) {
    op *next = &ops[count];
    switch (*at) {
    case '{':
    case '[':
      if (depth && ops[open[depth - 1]].kind == '[') ops[open[depth - 1]].slot++;
      *next = (op) { .kind = *at };
      open[depth++] = count++;
      is_key = *at == '{';
      break;
    case '}':
    case ']':
      depth--;
      *next = (op) { .kind = *at, .slot = depth && ops[open[depth - 1]].kind == '{' };
      next->length = (size_t)(depth ? ops[open[depth - 1]].slot : 0);
      count++;
      break;
    case ',': is_key = depth && ops[open[depth - 1]].kind == '{'; break;
    case ':': is_key = false; break;
    case '"': {
      const char *end = strchr(at + 1, '"');
      *next = (op) { .kind = is_key ? 'k' : 's', .bytes = at + 1, .length = (size_t)(end - at - 1) };
      if (is_key) {
        next->slot = key_slot(at + 1, next->length);
        ops[open[depth - 1]].slot++;
      }
      count++;
      at = end;
      break;
    }
    case 't':
    case 'f':
      *next = (op) { .kind = *at };
      count++;
      at += *at == 't' ? 3 : 4;
      break;
    default:
      *next = (op) { .kind = 'n', .number = number_of(&at) };
      count++;
      at--;
    }
  }
  return count;
}


static void replay(const op *ops, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const op *it = &ops[i];
    switch (it->kind) {
    case '{': lua_createtable(L, 0, it->slot); continue;
    case '[': lua_createtable(L, it->slot, 0); continue;
    case 'k': lua_rawgeti(L, LUA_REGISTRYINDEX, 1000 + it->slot); continue;
    case 's': lua_pushlstring(L, it->bytes, it->length); break;
    case 'n': push_number(it->number); break;
    case 't':
    case 'f': lua_pushboolean(L, it->kind == 't'); break;
    case '}':
    case ']':
      if (lua_gettop(L) == 1) return;
      if (it->slot) {
        lua_rawset(L, -3);
      } else {
        lua_rawseti(L, -2, (int)it->length);
      }
      continue;
    default: die("a broken replay");
    }
    lua_rawset(L, -3); /* strings, numbers and booleans are members on this page, never elements */
  }
}


static void check_backups(size_t expected) {
  lua_getfield(L, -1, "Backups");
#if LUA_VERSION_NUM >= 502
  size_t count = lua_rawlen(L, -1);
#else
  size_t count = lua_objlen(L, -1);
#endif
  if (count != expected) die("not as many backups as there should be");
  lua_settop(L, 0);
}


/* ---- libcurl ---- */

typedef struct call {
  CURL *easy;
  char *bytes;
  size_t length, capacity;
  struct curl_slist *headers;
  char date[17], date_line[40], authorization[512], authorization_line[540], token_line[900], host[64];
} call;


static size_t take(char *bytes, size_t size, size_t count, void *data) {
  call *it = data;
  size_t length = size * count;
  if (it->length + length + 1 > it->capacity) {
    it->capacity = (it->length + length + 1) * 2;
    it->bytes = realloc(it->bytes, it->capacity);
  }
  memcpy(it->bytes + it->length, bytes, length);
  it->length += length;
  return length;
}


static void add_header(call *it, char *line) {
  struct curl_slist *node = calloc(1, sizeof *node);
  struct curl_slist **last = &it->headers;
  while (*last)
    last = &(*last)->next;
  node->data = line;
  *last = node;
}


/* A handle for `url`. Signed: with every header that the client sends. */
static call *open_call(const char *url, bool is_signed, const char *ca_file, const char *ca_folder) {
  call *it = calloc(1, sizeof *it);
  const char *host = strstr(url, "://") + 3;
  snprintf(it->host, sizeof it->host, "%.*s", (int)strcspn(host, "/"), host);
  it->easy = curl_easy_init();
  add_header(it, (char *)"Content-Type: application/x-amz-json-1.1");
  add_header(it, (char *)"X-Amz-Target: BaldrApiService.DescribeBackups");
  if (is_signed) {
    snprintf(it->token_line, sizeof it->token_line, "X-Amz-Security-Token: %s", token);
    add_header(it, it->date_line);
    add_header(it, it->token_line);
    add_header(it, it->authorization_line);
    add_header(it, (char *)"User-Agent: cloudhsmv2-lua/0 ua/2.1 api/cloudhsm_v2#0 os/other lang/lua#5.4 m/E,N,e cfg/retry-mode#standard");
    add_header(it, (char *)"amz-sdk-invocation-id: 5e6fb0f8-3a5b-4d0e-8f3d-2b5c1d1f6a10");
    add_header(it, (char *)"amz-sdk-request: attempt=1; max=3");
    add_header(it, (char *)"Accept:");
  }
  curl_easy_setopt(it->easy, CURLOPT_URL, url);
  curl_easy_setopt(it->easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(it->easy, CURLOPT_PROXY, "");
  curl_easy_setopt(it->easy, CURLOPT_HTTPHEADER, it->headers);
  curl_easy_setopt(it->easy, CURLOPT_POSTFIELDS, REQUEST_BODY);
  curl_easy_setopt(it->easy, CURLOPT_POSTFIELDSIZE, (long)sizeof REQUEST_BODY - 1);
  curl_easy_setopt(it->easy, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(it->easy, CURLOPT_WRITEDATA, it);
  curl_easy_setopt(it->easy, CURLOPT_PRIVATE, it);
  curl_easy_setopt(it->easy, CURLOPT_CAINFO, ca_file);
  curl_easy_setopt(it->easy, CURLOPT_CAPATH, ca_folder);
  return it;
}


static void sign_call(call *it) {
  sign(it->host, REQUEST_BODY, sizeof REQUEST_BODY - 1, it->date, it->authorization);
  char *end = put_text(it->date_line, "X-Amz-Date: ");
  end = put(end, it->date, 17);
  end = put_text(it->authorization_line, "Authorization: ");
  put(end, it->authorization, strlen(it->authorization) + 1);
}


static void read_call(call *it, bool build_tables, size_t expected) {
  if (!it->length) die("an empty answer");
  it->bytes[it->length] = '\0';
  if (build_tables) {
    build(it->bytes, 0);
    check_backups(expected);
  }
  it->length = 0;
}


/* 16 at once, until `count` have ended. */
static void run_many(const char *url, size_t expected, long count) {
  static CURLM *multi;
  static call *calls[MANY];
  long started = 0, ended = 0;
  if (!multi) {
    multi = curl_multi_init();
    for (int i = 0; i < MANY; i++)
      calls[i] = open_call(url, true, NULL, NULL);
  }
  for (; started < MANY && started < count; started++) {
    sign_call(calls[started]);
    curl_multi_add_handle(multi, calls[started]->easy);
  }
  while (ended < count) {
    int running, left;
    CURLMsg *message;
    curl_multi_perform(multi, &running);
    while ((message = curl_multi_info_read(multi, &left))) {
      call *it;
      CURL *easy = message->easy_handle;
      if (message->data.result != CURLE_OK) die(curl_easy_strerror(message->data.result));
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&it);
      curl_multi_remove_handle(multi, easy);
      read_call(it, true, expected);
      ended++;
      if (started < count) {
        started++;
        sign_call(it);
        curl_multi_add_handle(multi, easy);
      }
    }
    if (ended < count) curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
}


/* ---- Works ---- */

typedef struct place {
  const char *http, *https, *ca_file;
  char *one, *many; /* bodies, as the server sends them */
} place;

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}


static char *fetch(const char *base, const char *path) {
  char url[256];
  snprintf(url, sizeof url, "%s%s", base, path);
  call *it = open_call(url, false, NULL, NULL);
  if (curl_easy_perform(it->easy) != CURLE_OK) die("the server does not answer");
  it->bytes[it->length] = '\0';
  curl_easy_cleanup(it->easy);
  return it->bytes;
}


/* libcurl, over a connection that is kept; a kind of `curl` is unsigned and builds nothing. */
static void run_calls(const place *at, const char *kind, size_t expected, long count) {
  static struct {
    char name[32];
    call *made;
  } known[16];
  int i = 0;
  char name[32], url[256];
  snprintf(name, sizeof name, "%s%zu", kind, expected);
  while (known[i].made && strcmp(known[i].name, name) != 0)
    i++;
  bool bare = strncmp(kind, "curl", 4) == 0, tls = strstr(kind, "tls") != NULL;
  if (!known[i].made) {
    snprintf(url, sizeof url, "%s/%zu", tls ? at->https : at->http, expected);
    known[i].made = open_call(url, !bare, tls ? at->ca_file : NULL, NULL);
    strcpy(known[i].name, name);
  }
  call *it = known[i].made;
  while (count--) {
    if (!bare) sign_call(it);
    CURLcode result = curl_easy_perform(it->easy);
    if (result != CURLE_OK) die(curl_easy_strerror(result));
    read_call(it, !bare, expected);
  }
}


static void run(const place *at, const char *work, long count) {
  static op ops[MOST_OPS];
  char date[17], authorization[512], body[300];
  size_t expected = strstr(work, "50") ? 50 : 1, recorded;
  const char *text = expected == 50 ? at->many : at->one;
  memset(body, 'x', sizeof body);
  if (strcmp(work, "sign") == 0) {
    while (count--)
      sign("cloudhsmv2.eu-west-1.amazonaws.com", body, sizeof body, date, authorization);
  } else if (strncmp(work, "build", 5) == 0) {
    for (recorded = parse(text, ops); count--; check_backups(expected))
      replay(ops, recorded);
  } else if (strncmp(work, "decode", 6) == 0) {
    for (; count--; check_backups(expected))
      build(text, 0);
  } else if (strncmp(work, "parallel", 8) == 0) {
    char url[256];
    snprintf(url, sizeof url, "%s/%zu", at->http, expected);
    run_many(url, expected, count);
  } else {
    char kind[16] = { 0 };
    memcpy(kind, work, strcspn(work, "0123456789"));
    run_calls(at, kind, expected, count);
  }
}


static void spawn(long count, char *command) {
  char *words[32];
  int length = 0;
  double cpu = 0, wall = 0;
  long peak = 0;
  for (char *word = strtok(command, " \n"); word && length < 31; word = strtok(NULL, " \n"))
    words[length++] = word;
  words[length] = NULL;
  for (long i = 0; i < count; i++) {
    struct rusage usage;
    int status;
    double start = seconds(CLOCK_MONOTONIC);
    pid_t child = fork();
    if (child == 0) {
      execvp(words[0], words);
      _exit(127);
    }
    if (wait4(child, &status, 0, &usage) != child || status != 0) die("a process failed");
    wall += seconds(CLOCK_MONOTONIC) - start;
    cpu += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    if (usage.ru_maxrss > peak) peak = usage.ru_maxrss;
  }
  printf("%.3f %.3f %ld\n", cpu / (double)count * 1e6, wall / (double)count * 1e6, peak);
}


int main(int argc, char **argv) {
  char line[4096], work[64];
  long count;
  int rest;
  setvbuf(stdout, NULL, _IOLBF, 0);
  memset(token, 't', sizeof token - 1);
  if (argc == 2 && strcmp(argv[1], "spawn") == 0) {
    while (fgets(line, sizeof line, stdin) && sscanf(line, "%ld %n", &count, &rest) == 1)
      spawn(count, line + rest);
    return 0;
  }
  L = luaL_newstate();
  if (argc == 5 && strcmp(argv[1], "once") == 0) {
    call *it = open_call(argv[2], true, argv[3][0] != '-' ? argv[3] : NULL, argv[4][0] != '-' ? argv[4] : NULL);
    sign_call(it);
    CURLcode result = curl_easy_perform(it->easy);
    if (result != CURLE_OK) die(curl_easy_strerror(result));
    read_call(it, true, strstr(argv[2], "50") ? 50 : 1);
    return 0;
  }
  if (argc != 5) die("see the head of floor.c");
  place at = { argv[2], argv[3], argv[4], fetch(argv[2], "/1"), fetch(argv[2], "/50") };
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "%63s %ld", work, &count) != 2 || strcmp(work, "quit") == 0) break;
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    run(&at, work, count);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, wall = seconds(CLOCK_MONOTONIC) - wall;
    printf("%.4f %.4f\n", cpu / (double)count * 1e6, wall / (double)count * 1e6);
  }
  return 0;
}
