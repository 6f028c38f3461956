#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/x509_vfy.h>

#include "../../src/core/clock.h"
#include "../../src/core/http.h"
#include "../../src/core/http_check.h"
#include "../../src/core/http_wire.h"
#include "check.h"

enum { MOST_PEERS = 16, REQUEST = 4096 };


static chsm_http_refusal feed(chsm_http_head *head, const char *line) { return chsm_http_head_line(head, line, strlen(line)); }


/* Feeds lines until one is refused. */
static chsm_http_refusal feed_all(chsm_http_head *head, const char *const *lines) {
  chsm_http_refusal refusal = CHSM_HTTP_FINE;
  for (; *lines && refusal == CHSM_HTTP_FINE; lines++)
    refusal = feed(head, *lines);
  return refusal;
}


static void check_header(const chsm_http_head *head, size_t index, const char *name, const char *value) {
  CHECK(index < head->count);
  if (index >= head->count) return;
  const chsm_http_header *header = &head->headers[index];
  CHECK_EQ_BYTES(name, head->text.bytes + header->name, header->name_length);
  CHECK_EQ_BYTES(value, head->text.bytes + header->value, header->value_length);
}


static void a_head_keeps_names_in_lower_case_and_joins_repeated_ones(void) {
  static const char *const lines[] = { "HTTP/1.1 200 OK\r\n",   "X-A: 1 \r\n", "x-b:2\r\n", "X-a:\t3\r\n", "x-c:\r\n",
                                       "Content-Length: 5\r\n", "X-A: 4\r\n",  "\r\n",      NULL };
  chsm_http_head head = { .most = 1000 };
  CHECK_EQ_INT(CHSM_HTTP_FINE, feed_all(&head, lines));
  CHECK(head.complete && head.answered && head.has_length && !head.chunked);
  CHECK_EQ_INT(200, head.status);
  CHECK_EQ_INT(5, head.length);
  CHECK_EQ_INT(CHSM_HTTP_FINE, chsm_http_head_join(&head));
  CHECK_EQ_INT(4, head.count);
  check_header(&head, 0, "x-a", "1, 3, 4");
  check_header(&head, 1, "x-b", "2");
  check_header(&head, 2, "x-c", "");
  check_header(&head, 3, "content-length", "5");
  chsm_http_head_wipe(&head);
  chsm_http_head_wipe(&head);
}


static void a_head_forgets_what_interim_answers_said(void) {
  static const char *const lines[] = {
    "HTTP/1.1 103 Early Hints\r\n", "Content-Length: 9\r\n", "X-Early: 1\r\n", "\r\n", "HTTP/1.1 204\r\n", "X-Late: 2\r\n", "\r\n", NULL
  };
  chsm_http_head head = { .most = 1000 };
  CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, lines[0]));
  CHECK(head.answered && head.status == 0);
  chsm_http_head_wipe(&head);
  CHECK_EQ_INT(CHSM_HTTP_FINE, feed_all(&head, lines));
  CHECK(head.complete && !head.has_length);
  CHECK_EQ_INT(204, head.status);
  CHECK_EQ_INT(1, head.count);
  check_header(&head, 0, "x-late", "2");
  CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "X-Trailer: t\r\n"));
  CHECK_EQ_INT(1, head.count);
  CHECK_EQ_INT(CHSM_HTTP_MALFORMED, feed(&head, "X-Trailer: a\rb\r\n"));
  chsm_http_head_wipe(&head);
}


static void a_head_refuses_what_peers_could_read_in_two_ways(void) {
  static const struct {
    const char *line;
    chsm_http_refusal refusal;
  } cases[] = {
    { " folded\r\n", CHSM_HTTP_MALFORMED },
    { "no colon\r\n", CHSM_HTTP_MALFORMED },
    { ": no name\r\n", CHSM_HTTP_MALFORMED },
    { "blank : x\r\n", CHSM_HTTP_MALFORMED },
    { "n\xC3\xA4me: x\r\n", CHSM_HTTP_MALFORMED },
    { "X: a\rb\r\n", CHSM_HTTP_MALFORMED },
    { "X: a\x01\r\n", CHSM_HTTP_MALFORMED },
    { "X: a\x7F\r\n", CHSM_HTTP_MALFORMED },
    { "X: \xC3\xA4\ttab\r\n", CHSM_HTTP_FINE },
    { "Content-Length: 5\r\n", CHSM_HTTP_FINE },
    { "Content-Length: 6\r\n", CHSM_HTTP_TWO_LENGTHS },
    { "Content-Length: 5, 5\r\n", CHSM_HTTP_MALFORMED },
    { "Content-Length: +5\r\n", CHSM_HTTP_MALFORMED },
    { "Content-Length: 0x5\r\n", CHSM_HTTP_MALFORMED },
    { "Content-Length: -5\r\n", CHSM_HTTP_MALFORMED },
    { "Content-Length:\r\n", CHSM_HTTP_MALFORMED },
    { "Content-Encoding: gzip\r\n", CHSM_HTTP_ENCODED },
    { "CONTENT-ENCODING: br\r\n", CHSM_HTTP_ENCODED },
    { "Content-Encoding: Identity\r\n", CHSM_HTTP_FINE },
    { "Transfer-Encoding: Chunked\r\n", CHSM_HTTP_FINE },
    { "Transfer-Encoding: gzip, chunked\r\n", CHSM_HTTP_ENCODED },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chsm_http_head head = { .most = 1000 };
    CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "HTTP/1.1 200 OK\r\n"));
    CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "Content-Length: 5\r\n"));
    if (feed(&head, cases[i].line) != cases[i].refusal) printf("line: %s", cases[i].line);
    chsm_http_head_wipe(&head);
    CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "HTTP/1.1 200 OK\r\n"));
    CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "Content-Length: 5\r\n"));
    CHECK_EQ_INT(cases[i].refusal, feed(&head, cases[i].line));
    chsm_http_head_wipe(&head);
  }
  chsm_http_head head = { .most = 1000 };
  CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "HTTP/1.1 200 OK\r\n"));
  CHECK_EQ_INT(CHSM_HTTP_MALFORMED, chsm_http_head_line(&head, "X: a\0b\r\n", 8));
  chsm_http_head_wipe(&head);
}


static void a_head_accepts_only_status_lines_of_http_1(void) {
  static const struct {
    const char *line;
    int status; /* 0: refused */
  } cases[] = { { "HTTP/1.1 200 OK\r\n", 200 },  { "HTTP/1.0 503\r\n", 503 },  { "HTTP/1.1 999 x\r\n", 999 }, { "HTTP/1.1 101 x\r\n", 0 },
                { "HTTP/1.1 099 x\r\n", 0 },     { "HTTP/1.1 20 x\r\n", 0 },   { "HTTP/1.1 2000 x\r\n", 0 },  { "HTTP/2 200\r\n", 0 },
                { "HTTP/1.1  200 OK\r\n", 0 },   { "HTTP/1.x 200 OK\r\n", 0 }, { "http/1.1 200 OK\r\n", 0 },  { "\r\n", 0 },
                { "SSH-2.0-OpenSSH_9.2\r\n", 0 } };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chsm_http_head head = { .most = 1000 };
    CHECK_EQ_INT(cases[i].status ? CHSM_HTTP_FINE : CHSM_HTTP_MALFORMED, feed(&head, cases[i].line));
    CHECK_EQ_INT(cases[i].status, head.status);
    chsm_http_head_wipe(&head);
  }
}


static void a_head_has_a_limit_over_all_its_answers(void) {
  chsm_http_head head = { .most = 100 };
  chsm_http_refusal refusal = CHSM_HTTP_FINE;
  int lines = 0;
  while (refusal == CHSM_HTTP_FINE && lines < 1000) {
    refusal = feed(&head, lines % 2 ? "\r\n" : "HTTP/1.1 102 x\r\n");
    lines++;
  }
  CHECK_EQ_INT(CHSM_HTTP_HEADERS_TOO_LARGE, refusal);
  CHECK(head.seen <= 100);
  chsm_http_head_wipe(&head);

  refusal = feed(&head, "HTTP/1.1 200 OK\r\n");
  for (lines = 0; refusal == CHSM_HTTP_FINE && lines < 10000; lines++)
    refusal = feed(&head, "a: b\r\n");
  CHECK_EQ_INT(CHSM_HTTP_HEADERS_TOO_LARGE, refusal);
  CHECK(lines <= 1000);
  chsm_http_head_wipe(&head);
}


static void a_length_that_no_integer_holds_is_the_largest(void) {
  chsm_http_head head = { .most = 1000 };
  feed(&head, "HTTP/1.1 200 OK\r\n");
  CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "Content-Length: 18446744073709551615\r\n"));
  CHECK(head.length == UINT64_MAX);
  chsm_http_head_wipe(&head);
  feed(&head, "HTTP/1.1 200 OK\r\n");
  CHECK_EQ_INT(CHSM_HTTP_FINE, feed(&head, "Content-Length: 99999999999999999999999999999999\r\n"));
  CHECK(head.length == UINT64_MAX);
  chsm_http_head_wipe(&head);
}


/* ---- Answers as bytes ---- */

struct reading {
  chsm_http_head head;
  chsm_buffer body;
  chsm_http_wire wire;
};


static void begin_reading(struct reading *it, bool headless) {
  *it = (struct reading) { .head = { .most = 100000 }, .body = { .cap = 1000 } };
  it->wire = (chsm_http_wire) { .head = &it->head, .body = &it->body, .headless = headless };
}


static void end_reading(struct reading *it) {
  chsm_http_head_wipe(&it->head);
  chsm_buffer_wipe(&it->body);
  chsm_http_wire_wipe(&it->wire);
  chsm_http_wire_wipe(&it->wire);
}


/* Hands over some bytes, partly in place as the one who reads from a socket does. */
static chsm_http_refusal hand_over(struct reading *it, const char *bytes, size_t length) {
  size_t room = chsm_http_wire_room(&it->wire);
  if (room > length) room = length;
  if (room) {
    memcpy(it->body.bytes + it->body.length, bytes, room);
    chsm_http_wire_took(&it->wire, room);
  }
  return chsm_http_wire_read(&it->wire, bytes + room, length - room);
}


struct answer {
  const char *bytes;
  chsm_http_refusal refusal;
  bool whole, lasts; /* before the connection ends */
  const char *body;
  int status;
};

static const struct answer samples[] = {
  { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright", CHSM_HTTP_FINE, true, true, "right", 200 },
  { "HTTP/1.1 200 OK\nContent-Length: 5\n\nright", CHSM_HTTP_FINE, true, true, "right", 200 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", CHSM_HTTP_FINE, true, true, "", 200 },
  { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 1\r\n\r\nx",
    CHSM_HTTP_FINE, true, true, "x", 201 },
  { "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", CHSM_HTTP_FINE, true, true, "", 204 },
  { "HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n", CHSM_HTTP_FINE, true, true, "", 304 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n00a \r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n",
    CHSM_HTTP_FINE, true, true, "abc0123456789", 200 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n", CHSM_HTTP_FINE, true, false,
    "whole", 200 },
  { "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nab", CHSM_HTTP_FINE, true, false, "ab", 200 },
  { "HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 2\r\n\r\nab", CHSM_HTTP_FINE, true, true, "ab", 200 },
  { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab", CHSM_HTTP_FINE, true, false, "ab", 200 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n", CHSM_HTTP_FINE, true, false, "ab", 200 },
  { "HTTP/1.1 200 OK\r\n\r\nto the end", CHSM_HTTP_FINE, false, false, "to the end", 200 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshort", CHSM_HTTP_FINE, false, false, "short", 200 },
  { "HTTP/1.1 200 OK\r\nX-Half: ", CHSM_HTTP_FINE, false, false, "", 200 },
  { "SSH-2.0-OpenSSH_9.2", CHSM_HTTP_MALFORMED, false, false, "", 0 },
  { "\r\nHTTP/1.1 200 OK\r\n\r\n", CHSM_HTTP_MALFORMED, false, false, "", 0 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", CHSM_HTTP_BODY_TOO_LARGE, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", CHSM_HTTP_BODY_TOO_LARGE, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 3\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;\x01\r\nabc\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", CHSM_HTTP_MALFORMED, false, false, "abc", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", CHSM_HTTP_MALFORMED, false, false, "abc", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\rb\r\n\r\n", CHSM_HTTP_MALFORMED, false, false, "", 200 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", CHSM_HTTP_ENCODED, false, false, "", 200 },
};


static void check_answer(const struct answer *expected, size_t first, size_t second) {
  struct reading it;
  size_t length = strlen(expected->bytes);
  const size_t ends[] = { first, second, length };
  chsm_http_refusal refusal = CHSM_HTTP_FINE;
  begin_reading(&it, false);
  for (size_t i = 0, from = 0; i < 3 && refusal == CHSM_HTTP_FINE; from = ends[i++])
    refusal = hand_over(&it, expected->bytes + from, ends[i] - from);
  CHECK_EQ_INT(expected->refusal, refusal);
  CHECK_EQ_INT(expected->whole, it.wire.place == CHSM_HTTP_WHOLE);
  CHECK_EQ_INT(expected->lasts, chsm_http_wire_lasts(&it.wire));
  CHECK_EQ_INT(expected->status, it.head.status);
  CHECK_EQ_BYTES(expected->body, it.body.bytes, it.body.length);
  end_reading(&it);
}


static void an_answer_reads_the_same_in_whatever_pieces_it_arrives(void) {
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    size_t length = strlen(samples[i].bytes);
    for (size_t first = 0; first <= length; first++)
      for (size_t second = first; second <= length; second += 1 + length / 40)
        check_answer(&samples[i], first, second);
    struct reading it;
    chsm_http_refusal refusal = CHSM_HTTP_FINE;
    begin_reading(&it, false);
    for (size_t at = 0; at < length && refusal == CHSM_HTTP_FINE; at++)
      refusal = chsm_http_wire_read(&it.wire, samples[i].bytes + at, 1);
    CHECK_EQ_INT(samples[i].refusal, refusal);
    CHECK_EQ_BYTES(samples[i].body, it.body.bytes, it.body.length);
    end_reading(&it);
  }
}


static void only_a_body_without_a_length_ends_with_the_connection(void) {
  struct reading it;
  static const char open[] = "HTTP/1.1 200 OK\r\n\r\nabc", stated[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc";
  static const char *const cut[] = { "",
                                     "HTTP",
                                     "HTTP/1.1 200 OK\r\n",
                                     "HTTP/1.1 100 C\r\n\r\n",
                                     stated,
                                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" };
  begin_reading(&it, false);
  CHECK_EQ_INT(CHSM_HTTP_FINE, hand_over(&it, open, sizeof open - 1));
  CHECK(chsm_http_wire_end(&it.wire) && !chsm_http_wire_lasts(&it.wire));
  CHECK_EQ_BYTES("abc", it.body.bytes, it.body.length);
  end_reading(&it);
  for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
    begin_reading(&it, false);
    CHECK_EQ_INT(CHSM_HTTP_FINE, hand_over(&it, cut[i], strlen(cut[i])));
    CHECK(!chsm_http_wire_end(&it.wire) && !chsm_http_wire_lasts(&it.wire));
    CHECK_EQ_INT(i > 0, it.wire.touched);
    end_reading(&it);
  }
  begin_reading(&it, true);
  CHECK_EQ_INT(CHSM_HTTP_FINE, hand_over(&it, stated, sizeof stated - 4));
  CHECK(it.wire.place == CHSM_HTTP_WHOLE && chsm_http_wire_lasts(&it.wire));
  end_reading(&it);
}


/* Feeds one byte again and again after a beginning, until that is refused. Returns how many bytes that took. */
static size_t read_without_end(const char *start, const char *again, chsm_http_refusal expected) {
  struct reading it;
  size_t count = 0;
  begin_reading(&it, false);
  chsm_http_refusal refusal = hand_over(&it, start, strlen(start));
  for (; refusal == CHSM_HTTP_FINE && count < 1000000; count++)
    refusal = hand_over(&it, again, strlen(again));
  CHECK_EQ_INT(expected, refusal);
  end_reading(&it);
  return count;
}


static void an_answer_without_end_is_refused_soon(void) {
  static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(read_without_end("HTTP/1.1 200 OK\r\nX: ", "x", CHSM_HTTP_HEADERS_TOO_LARGE) <= 100 * 1024);
  CHECK(read_without_end("HTTP/1.1 200 OK\r\n", "a: b\r\n", CHSM_HTTP_HEADERS_TOO_LARGE) <= 1000);
  CHECK(read_without_end("", "HTTP/1.1 102 Processing\r\n\r\n", CHSM_HTTP_HEADERS_TOO_LARGE) <= 1000);
  CHECK(read_without_end("HTTP/1.1 200 OK\r\n\r\n", "x", CHSM_HTTP_BODY_TOO_LARGE) <= 1001);
  CHECK(read_without_end(chunked, "1\r\nx\r\n", CHSM_HTTP_BODY_TOO_LARGE) <= 1001);
  char line[sizeof chunked + 8];
  snprintf(line, sizeof line, "%s1;", chunked);
  CHECK(read_without_end(line, "x", CHSM_HTTP_MALFORMED) <= 1100);
  snprintf(line, sizeof line, "%s0\r\n", chunked);
  CHECK(read_without_end(line, "a: b\r\n", CHSM_HTTP_HEADERS_TOO_LARGE) <= 1000);
  CHECK(read_without_end("H", "H", CHSM_HTTP_MALFORMED) == 1);
}


static chsm_http_text text(const char *bytes) { return (chsm_http_text) { .bytes = bytes, .length = strlen(bytes) }; }


static void check_request(const char *method, const char *body, const char *name, const char *value, const char *expected) {
  chsm_buffer out = { .cap = 0 };
  chsm_http_field fields[] = { { text(name), text(value) }, { text("X-Empty"), text(" \t") }, { text("X-Last"), text("\t a b ") } };
  chsm_http_request request = { .method = text(method), .body = text(body), .headers = fields, .header_count = 3 };
  CHECK_EQ_INT(CHSM_OK, chsm_http_wire_write(&out, &request, text("/p?q"), text("h:1")));
  CHECK_EQ_BYTES(expected, out.bytes, out.length);
  chsm_buffer_wipe(&out);
}


static void a_request_is_what_was_given_and_says_how_long_it_is(void) {
  check_request("POST", "body", "A", "b",
                "POST /p?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\nX-Empty:\r\nX-Last: a b\r\nContent-Length: 4\r\n\r\nbody");
  check_request("PUT", "", "A", "b", "PUT /p?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\nX-Empty:\r\nX-Last: a b\r\nContent-Length: 0\r\n\r\n");
  check_request("GET", "", "hOST", "other", "GET /p?q HTTP/1.1\r\nHost: other\r\nX-Empty:\r\nX-Last: a b\r\n\r\n");
  check_request("DELETE", "", "A", "b", "DELETE /p?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\nX-Empty:\r\nX-Last: a b\r\n\r\n");
  check_request("DELETE", "12345678901", "A", "b",
                "DELETE /p?q HTTP/1.1\r\nHost: h:1\r\nA: b\r\nX-Empty:\r\nX-Last: a b\r\nContent-Length: 11\r\n\r\n12345678901");
}


static void a_value_holds_no_control_byte_anywhere(void) {
  char bytes[40];
  for (size_t length = 1; length < sizeof bytes; length++)
    for (size_t at = 0; at < length; at++)
      for (int byte = 0; byte < 256; byte += byte < 0x22 || byte > 0x7D ? 1 : 23) {
        memset(bytes, 0xFF, length);
        bytes[at] = (char)byte;
        bool control = (byte < 0x20 && byte != '\t') || byte == 0x7F;
        if (chsm_http_is_value(bytes, length) == control) CHECK_EQ_INT(!control, chsm_http_is_value(bytes, length));
      }
  memset(bytes, '\t', sizeof bytes);
  CHECK(chsm_http_is_value(bytes, sizeof bytes) && chsm_http_is_value(bytes, 0));
}


/* ---- Failures ---- */

static chsm_http_facts facts_with(CURLcode result, bool began, int status, bool headed) {
  return (chsm_http_facts) { .result = result,
                             .peer = "host.example:443",
                             .tried = "",
                             .detail = "",
                             .began = began,
                             .answered = status != 0,
                             .headed = headed,
                             .status = status,
                             .connect_timeout = 3.1,
                             .read_timeout = 60,
                             .timeout = HUGE_VAL };
}


static void failures_say_what_happened_and_how_far_it_got(void) {
  static const struct {
    CURLcode result;
    bool began;
    int status;
    bool headed;
    const char *kind, *code, *sent;
  } cases[] = {
    { CURLE_COULDNT_RESOLVE_HOST, false, 0, false, "transport", "CouldNotResolveHost", "no" },
    { CURLE_COULDNT_CONNECT, false, 0, false, "transport", "CouldNotConnect", "no" },
    { CURLE_COULDNT_CONNECT, true, 0, false, "transport", "CouldNotConnect", "maybe" }, /* the first try went over a dead connection */
    { CURLE_COULDNT_RESOLVE_PROXY, false, 0, false, "proxy", "CouldNotResolveProxy", "no" },
    { CURLE_OPERATION_TIMEDOUT, false, 0, false, "timeout", "ConnectTimeout", "no" },
    { CURLE_SSL_CONNECT_ERROR, false, 0, false, "tls", "TlsHandshakeFailed", "no" },
    { CURLE_SSL_CACERT_BADFILE, false, 0, false, "config", "CaFileUnusable", "no" },
    { CURLE_SEND_ERROR, true, 0, false, "transport", "ConnectionReset", "maybe" },
    { CURLE_RECV_ERROR, true, 0, false, "transport", "ConnectionReset", "maybe" },
    { CURLE_GOT_NOTHING, true, 0, false, "transport", "EmptyReply", "maybe" },
    { CURLE_ABORTED_BY_CALLBACK, true, 0, false, "transport", "EmptyReply", "maybe" },
    { CURLE_RECV_ERROR, true, 200, false, "protocol", "TruncatedHeaders", "yes" },
    { CURLE_OK, true, 200, false, "protocol", "TruncatedHeaders", "yes" },
    { CURLE_RECV_ERROR, true, 200, true, "protocol", "TruncatedBody", "yes" },
    { CURLE_PARTIAL_FILE, true, 500, true, "protocol", "TruncatedBody", "yes" },
    { CURLE_UNSUPPORTED_PROTOCOL, true, 0, false, "protocol", "MalformedResponse", "maybe" },
    { CURLE_UNSUPPORTED_PROTOCOL, false, 0, false, "config", "UnsupportedProtocol", "no" },
    { CURLE_OUT_OF_MEMORY, true, 0, false, "transport", "OutOfMemory", "maybe" },
    { CURLE_FAILED_INIT, false, 0, false, "transport", "TransportFailed", "no" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chsm_http_failure failure;
    chsm_http_facts facts = facts_with(cases[i].result, cases[i].began, cases[i].status, cases[i].headed);
    chsm_http_classify(&failure, &facts);
    CHECK_EQ_STR(cases[i].kind, failure.kind);
    CHECK_EQ_STR(cases[i].code, failure.code);
    CHECK_EQ_STR(cases[i].sent, failure.sent);
    CHECK_EQ_INT(cases[i].status, failure.status);
    CHECK(strstr(failure.message, "host.example:443") != NULL);
    CHECK(strchr(failure.message, '\n') == NULL);
  }
}


static void failures_of_certificates_are_told_apart(void) {
  static const struct {
    long verdict;
    const char *detail, *code;
  } cases[] = {
    { 10, "SSL certificate problem: certificate has expired", "CertificateExpired" },
    { 9, "SSL certificate problem: certificate is not yet valid", "CertificateNotYetValid" },
    { 18, "SSL certificate problem: self-signed certificate", "CertificateNotTrusted" },
    { 20, "SSL certificate problem: unable to get local issuer certificate", "CertificateNotTrusted" },
    { 29, "SSL certificate problem: subject issuer mismatch", "CertificateNotTrusted" },
    { 62, "SSL certificate problem: hostname mismatch", "CertificateHostMismatch" },
    { 1, "SSL: no alternative certificate subject name matches target host name 'x'", "CertificateHostMismatch" },
    { 1, "SSL: couldn't get peer certificate", "CertificateNotTrusted" },
    { CHSM_HTTP_NO_VERDICT, "SSL: certificate subject name (a) does not match target host name 'x'", "CertificateHostMismatch" },
    { CHSM_HTTP_NO_VERDICT, "server certificate verification failed", "CertificateNotTrusted" },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chsm_http_failure failure;
    chsm_http_facts facts = facts_with(CURLE_PEER_FAILED_VERIFICATION, false, 0, false);
    facts.verify_result = cases[i].verdict;
    facts.detail = cases[i].detail;
    chsm_http_classify(&failure, &facts);
    CHECK_EQ_STR("tls", failure.kind);
    CHECK_EQ_STR(cases[i].code, failure.code);
    CHECK_EQ_STR("no", failure.sent);
  }
}


static void complaints_about_the_clients_certificate_are_told_apart(void) {
  static const struct {
    CURLcode result;
    bool certified;
    const char *detail, *code;
  } cases[] = {
    { CURLE_SSL_CONNECT_ERROR, true, "OpenSSL: error:0A000418:SSL routines::tlsv1 alert unknown ca", "ClientCertificateRefused" },
    { CURLE_RECV_ERROR, true, "OpenSSL SSL_read: error:0A000412:SSL routines::ssl/tls alert bad certificate", "ClientCertificateRefused" },
    { CURLE_RECV_ERROR, false, "SSL routines::tlsv13 alert certificate required, errno 0", "ClientCertificateRequired" },
    { CURLE_SEND_ERROR, true, "SSL routines::tlsv1 alert access denied", "ClientCertificateRefused" },
    { CURLE_SSL_CONNECT_ERROR, false, "SSL routines::sslv3 alert bad certificate", "ClientCertificateRequired" },
    { CURLE_SSL_CONNECT_ERROR, true, "SSL routines::sslv3 alert handshake failure", "TlsHandshakeFailed" },
    { CURLE_SSL_CONNECT_ERROR, true, "SSL routines::tlsv1 alert protocol version", "TlsHandshakeFailed" },
    { CURLE_PEER_FAILED_VERIFICATION, true, "SSL certificate verification failed", "ClientCertificateRefused" },
    { CURLE_PEER_FAILED_VERIFICATION, false, "SSL certificate verification failed", "CertificateNotTrusted" },
    { CURLE_PEER_FAILED_VERIFICATION, true, "no subject name matches 'alert unknown ca'", "CertificateHostMismatch" },
    { CURLE_SSL_CERTPROBLEM, true, "could not load PEM client certificate", "ClientCertificateUnusable" },
    { CURLE_RECV_ERROR, true, "Connection reset by peer", "ConnectionReset" },
  };
  chsm_http_failure failure;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chsm_http_facts facts = facts_with(cases[i].result, true, 0, false);
    facts.certified = cases[i].certified;
    facts.detail = cases[i].detail;
    chsm_http_classify(&failure, &facts);
    CHECK_EQ_STR(cases[i].code, failure.code);
    CHECK_EQ_STR("maybe", failure.sent);
  }
  chsm_http_facts facts = facts_with(CURLE_PEER_FAILED_VERIFICATION, false, 0, false);
  facts.certified = true;
  facts.detail = "SSL certificate verification failed";
  facts.verify_result = X509_V_ERR_CERT_HAS_EXPIRED; /* the server's */
  chsm_http_classify(&failure, &facts);
  CHECK_EQ_STR("CertificateExpired", failure.code);
}


static void failures_name_durations_reasons_and_proxies(void) {
  chsm_http_failure failure;
  chsm_http_facts facts = facts_with(CURLE_OPERATION_TIMEDOUT, false, 0, false);
  chsm_http_classify(&failure, &facts);
  CHECK(strstr(failure.message, "within 3.1 s;") != NULL);

  facts.began = facts.idle = true;
  chsm_http_classify(&failure, &facts);
  CHECK_EQ_STR("ReadTimeout", failure.code);
  CHECK(strstr(failure.message, "for 60 s;") != NULL);

  facts.late = true;
  facts.timeout = 0.25;
  chsm_http_classify(&failure, &facts);
  CHECK_EQ_STR("DeadlineExceeded", failure.code);
  CHECK(strstr(failure.message, "within 0.25 s;") != NULL);

  facts = facts_with(CURLE_COULDNT_CONNECT, false, 0, false);
  facts.system_error = EMFILE;
  facts.tried = "127.0.0.1:3128";
  chsm_http_classify(&failure, &facts);
  CHECK(strstr(failure.message, "last tried 127.0.0.1:3128: too many open files in this process") != NULL);
  facts.proxied = true;
  chsm_http_classify(&failure, &facts);
  CHECK_EQ_STR("proxy", failure.kind);
  CHECK_EQ_STR("CouldNotConnectToProxy", failure.code);

  facts = facts_with(CURLE_RECV_ERROR, false, 0, false);
  facts.detail = "password in libcurl's words";
  static const struct {
    long status;
    const char *code;
  } answers[] = { { 407, "ProxyAuthenticationRequired" }, { 403, "ProxyRefused" }, { 302, "ProxyRefused" }, { 502, "ProxyUnavailable" } };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    facts.connect_status = answers[i].status;
    chsm_http_classify(&failure, &facts);
    CHECK_EQ_STR("proxy", failure.kind);
    CHECK_EQ_STR(answers[i].code, failure.code);
    CHECK_EQ_STR("no", failure.sent);
    CHECK(strstr(failure.message, "password in") == NULL);
  }
  facts.began = true; /* over a tunnel that turned out dead */
  chsm_http_classify(&failure, &facts);
  CHECK_EQ_STR("ProxyUnavailable", failure.code);
  CHECK_EQ_STR("maybe", failure.sent);
}


static void a_message_is_one_line_and_fits(void) {
  char text[CHSM_HTTP_MESSAGE * 2];
  chsm_http_failure failure;
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  text[1] = '\n';
  chsm_http_fail(&failure, "config", "Code", "no", "%s", text);
  CHECK_EQ_INT(CHSM_HTTP_MESSAGE - 1, strlen(failure.message));
  CHECK_EQ_INT(' ', failure.message[1]);
}


/* ---- Exchanges, with a server in a process of its own ---- */

/* Answers every request with the number of its connection; "GET /hang" with nothing. Ends when `control` is closed. */
static void serve(int listener, int control) {
  static const char format[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d";
  struct pollfd watched[2 + MOST_PEERS] = { { .fd = control, .events = POLLIN }, { .fd = listener, .events = POLLIN } };
  int names[2 + MOST_PEERS] = { 0 }, accepted = 0;
  for (nfds_t i = 2; i < 2 + MOST_PEERS; i++)
    watched[i].fd = -1;
  while (poll(watched, 2 + MOST_PEERS, 30000) > 0 && !watched[0].revents) {
    for (nfds_t i = 2; i < 2 + MOST_PEERS; i++) {
      char request[REQUEST], answer[128];
      if (watched[i].fd < 0 || !watched[i].revents) continue;
      ssize_t length = recv(watched[i].fd, request, sizeof request, 0);
      if (length <= 0) {
        close(watched[i].fd);
        watched[i].fd = -1;
      } else if (length < 9 || memcmp(request, "GET /hang", 9) != 0) {
        int size = snprintf(answer, sizeof answer, format, names[i]);
        send(watched[i].fd, answer, (size_t)size, MSG_NOSIGNAL);
      }
    }
    if (!watched[1].revents) continue;
    for (nfds_t i = 2; i < 2 + MOST_PEERS; i++) {
      if (watched[i].fd >= 0) continue;
      watched[i] = (struct pollfd) { .fd = accept(listener, NULL, NULL), .events = POLLIN };
      names[i] = ++accepted;
      break;
    }
  }
}


/* Starts the server. Returns its port; `control` ends it, once this process and all its children closed it. */
static int start_server(int *control, pid_t *server) {
  int pipes[2] = { -1, -1 }, listener = socket(AF_INET, SOCK_STREAM, 0);
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
  } address = { .v4 = { .sin_family = AF_INET, .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } } };
  socklen_t length = sizeof address;
  CHECK(pipe(pipes) == 0 && bind(listener, &address.any, length) == 0 && listen(listener, MOST_PEERS) == 0);
  CHECK(getsockname(listener, &address.any, &length) == 0);
  *server = fork();
  if (*server == 0) {
    close(pipes[1]);
    serve(listener, pipes[0]);
    _exit(0);
  }
  close(pipes[0]);
  close(listener);
  *control = pipes[1];
  return ntohs(address.v4.sin_port);
}


static chsm_http_request get(const char *url) {
  return (chsm_http_request) { .method = text("GET"),
                               .url = text(url),
                               .body = text(""),
                               .connect_timeout = 5,
                               .read_timeout = 5,
                               .timeout = 10 };
}


/* The number that the server answers with; 0: no answer. */
static int ask(chsm_http *http, const char *url, bool fresh) {
  chsm_http_failure failure;
  chsm_http_request request = get(url);
  request.fresh_connection = fresh;
  chsm_http_transfer *transfer = chsm_http_start(http, &request, &failure);
  if (!transfer) return 0;
  while (chsm_http_running(transfer))
    chsm_http_step(http, 1);
  int number = 0;
  if (!chsm_http_failed(transfer)) number = chsm_http_body(transfer).bytes[0] - '0';
  chsm_http_drop(transfer);
  return number;
}


static void a_forked_child_leaves_its_parents_connections_alone(void) {
  int control, status;
  pid_t server;
  char url[64], hang[64];
  chsm_http_failure failure;
  chsm_http_options options = { .proxy = "" };
  int port = start_server(&control, &server);
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
  snprintf(hang, sizeof hang, "http://127.0.0.1:%d/hang", port);
  chsm_http *http = chsm_http_new(&options, &failure);
  CHECK(http != NULL);
  CHECK_EQ_INT(1, ask(http, url, false));
  CHECK_EQ_INT(1, ask(http, url, false));

  chsm_http_request request = get(hang);
  chsm_http_transfer *under_way = chsm_http_start(http, &request, &failure);
  chsm_http_step(http, 0.2); /* it takes connection 1 */
  CHECK_EQ_INT(2, ask(http, url, false));

  pid_t child = fork();
  if (child == 0) {
    close(control);
    bool good = !chsm_http_running(under_way) && chsm_http_failed(under_way);
    good = good && strcmp(chsm_http_failed(under_way)->code, "Forked") == 0 && strcmp(chsm_http_failed(under_way)->sent, "maybe") == 0;
    chsm_http_drop(under_way);
    good = good && ask(http, url, false) == 3 && ask(http, url, false) == 3;
    chsm_http_free(http);
    _exit(good ? 0 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);

  child = fork();
  if (child == 0) {
    close(control);
    chsm_http_free(http); /* without any use before */
    bool good = chsm_http_failed(under_way) != NULL;
    chsm_http_drop(under_way);
    _exit(good ? 0 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);

  CHECK(chsm_http_running(under_way));
  CHECK_EQ_INT(2, ask(http, url, false));
  CHECK_EQ_INT(4, ask(http, url, true));
  CHECK_EQ_INT(2, ask(http, url, false));
  chsm_http_free(http);
  CHECK(!chsm_http_running(under_way) && chsm_http_failed(under_way) != NULL);
  CHECK_EQ_STR("Closed", chsm_http_failed(under_way)->code);
  chsm_http_drop(under_way);
  close(control);
  waitpid(server, &status, 0);
}


static void a_transfer_ends_with_its_owner_or_with_its_client(void) {
  int control, status;
  pid_t server;
  char url[64];
  chsm_http_failure failure;
  chsm_http_options options = { .proxy = "" };
  snprintf(url, sizeof url, "http://127.0.0.1:%d/hang", start_server(&control, &server));
  chsm_http *http = chsm_http_new(&options, &failure);
  chsm_http_request request = get(url);
  chsm_http_transfer *dropped = chsm_http_start(http, &request, &failure);
  chsm_http_transfer *kept = chsm_http_start(http, &request, &failure);
  CHECK_EQ_INT(2, chsm_http_step(http, 0));
  chsm_http_drop(dropped);
  CHECK_EQ_INT(1, chsm_http_step(http, 0));
  chsm_http_free(http);
  CHECK(chsm_http_failed(kept) != NULL);
  chsm_http_drop(kept);
  chsm_http_drop(NULL);
  chsm_http_free(NULL);
  close(control);
  waitpid(server, &status, 0);
}


static void requests_that_cannot_be_sent_as_given_are_refused(void) {
  static const struct {
    const char *method, *url, *name, *value, *body, *code;
  } cases[] = {
    { "GET", "http://127.0.0.1:1/\r\nX: y", "a", "b", "", "InvalidUrl" },
    { "GET", "http://127.0.0.1:1/ x", "a", "b", "", "InvalidUrl" },
    { "GET", "http://user:secret@127.0.0.1:1/", "a", "b", "", "InvalidUrl" },
    { "GET", "ftp://127.0.0.1:1/", "a", "b", "", "InvalidUrl" },
    { "GET", "file:///etc/passwd", "a", "b", "", "InvalidUrl" },
    { "GET", "127.0.0.1", "a", "b", "", "InvalidUrl" },
    { "GET", "http:///x", "a", "b", "", "InvalidUrl" },
    { "GET", "", "a", "b", "", "InvalidUrl" },
    { "GET", "http://127.0.0.1:1/", "a b", "b", "", "InvalidHeader" },
    { "GET", "http://127.0.0.1:1/", "", "b", "", "InvalidHeader" },
    { "GET", "http://127.0.0.1:1/", "a", "b\r\nc: d", "", "InvalidHeader" },
    { "GET", "http://127.0.0.1:1/", "a", "b\x01", "", "InvalidHeader" },
    { "GET", "http://127.0.0.1:1/", "Content-Length", "5", "", "InvalidHeader" },
    { "GET", "http://127.0.0.1:1/", "TRANSFER-ENCODING", "chunked", "", "InvalidHeader" },
    { "GET", "http://127.0.0.1:1/", "Accept-Encoding", "gzip", "", "InvalidHeader" },
    { "GET", "http://127.0.0.1:1/", "Expect", "100-continue", "", "InvalidHeader" },
    { "CONNECT", "http://127.0.0.1:1/", "a", "b", "", "InvalidMethod" },
    { "get", "http://127.0.0.1:1/", "a", "b", "", "InvalidMethod" },
    { "GET", "http://127.0.0.1:1/", "a", "b", "body", "InvalidMethod" },
  };
  chsm_http_failure failure;
  chsm_http_options options = { .proxy = "" };
  chsm_http *http = chsm_http_new(&options, &failure);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chsm_http_field field = { .name = text(cases[i].name), .value = text(cases[i].value) };
    chsm_http_request request = get(cases[i].url);
    request.method = text(cases[i].method);
    request.body = text(cases[i].body);
    request.headers = &field;
    request.header_count = 1;
    CHECK(chsm_http_start(http, &request, &failure) == NULL);
    CHECK_EQ_STR("config", failure.kind);
    CHECK_EQ_STR(cases[i].code, failure.code);
    CHECK_EQ_STR("no", failure.sent);
    CHECK(strstr(failure.message, "secret") == NULL);
  }
  static const double wrong[] = { 0, -1, NAN };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    chsm_http_request request = get("http://127.0.0.1:1/");
    request.connect_timeout = wrong[i];
    CHECK(chsm_http_start(http, &request, &failure) == NULL);
    CHECK_EQ_STR("InvalidTimeout", failure.code);
    request = get("http://127.0.0.1:1/");
    request.read_timeout = wrong[i];
    CHECK(chsm_http_start(http, &request, &failure) == NULL);
    CHECK_EQ_STR("InvalidTimeout", failure.code);
    request = get("http://127.0.0.1:1/");
    request.timeout = wrong[i];
    CHECK(chsm_http_start(http, &request, &failure) == NULL);
    CHECK_EQ_STR(isnan(wrong[i]) ? "InvalidTimeout" : "DeadlineExceeded", failure.code);
    CHECK_EQ_STR("no", failure.sent);
  }
  chsm_http_free(http);
}


static void a_client_takes_only_so_many_transfers_at_once(void) {
  enum { MOST = 1024 };
  static chsm_http_transfer *started[MOST];
  chsm_http_failure failure;
  chsm_http_options options = { .proxy = "" };
  chsm_http *http = chsm_http_new(&options, &failure);
  chsm_http_request request = get("http://127.0.0.1:1/");
  for (size_t i = 0; i < MOST; i++)
    started[i] = chsm_http_start(http, &request, &failure);
  CHECK(started[MOST - 1] != NULL);
  CHECK(chsm_http_start(http, &request, &failure) == NULL);
  CHECK_EQ_STR("TooManyTransfers", failure.code);
  chsm_http_drop(started[0]);
  started[0] = chsm_http_start(http, &request, &failure);
  CHECK(started[0] != NULL);
  for (size_t i = 0; i < MOST; i++)
    chsm_http_drop(started[i]);
  CHECK_EQ_INT(0, chsm_http_step(http, 1));
  chsm_http_free(http);
}


static void a_ca_file_must_hold_a_certificate(void) {
  char path[] = "/tmp/cloudhsmv2-test-XXXXXX";
  int file = mkstemp(path);
  chsm_http_failure failure;
  chsm_http_options options = { .ca_file = path };
  CHECK(!chsm_http_check(&options, &failure));
  CHECK_EQ_STR("config", failure.kind);
  CHECK_EQ_STR("CaFileUnusable", failure.code);
  CHECK_EQ_STR("is empty", chsm_http_ca_problem(path));
  CHECK(write(file, "\n \n", 3) == 3);
  CHECK_EQ_STR("holds no certificate in PEM", chsm_http_ca_problem(path));
  static const char broken[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  CHECK(write(file, broken, sizeof broken - 1) == (ssize_t)sizeof broken - 1);
  CHECK_EQ_STR("holds no certificate in PEM", chsm_http_ca_problem(path));
  close(file);
  unlink(path);
  CHECK_EQ_STR("does not exist", chsm_http_ca_problem(path));
  CHECK_EQ_STR("is not a regular file", chsm_http_ca_problem("/tmp"));
  CHECK_EQ_STR("is not a regular file", chsm_http_ca_problem("/dev/null"));
}


static void a_folder_of_authorities_holds_one_under_its_hash(void) {
  static const struct {
    const char *name;
    bool counts;
  } cases[] = { { "README", false },      { "0a1b2c3d", false },   { "0a1b2c3d.r0", false }, { "0a1b2c3.0", false },
                { "0a1b2c3dd.0", false }, { "0A1B2C3D.0", false }, { "0a1b2c3d.0", true } };
  char folder[] = "/tmp/cloudhsmv2-test-XXXXXX", path[64];
  CHECK(mkdtemp(folder) != NULL && !chsm_http_is_ca_folder(folder));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, cases[i].name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fclose(file) == 0);
    CHECK_EQ_INT(cases[i].counts, chsm_http_is_ca_folder(folder));
    unlink(path);
  }
  CHECK(rmdir(folder) == 0 && !chsm_http_is_ca_folder(folder));
}


static void a_proxy_must_be_a_url_and_is_never_shown(void) {
  static const char *const good[] = { "", "http://h:1", "h:3128", "http://u:p@h:1", "socks5h://h:1", "https://[::1]:1" };
  static const char *const bad[] = { "http://u:secret@h:1\r\nX: y", "ftp://u:secret@h", "http://u:secret @h", "http://u:secret@:1" };
  chsm_http_failure failure;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    chsm_http_options options = { .proxy = good[i] };
    CHECK(chsm_http_check(&options, &failure));
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    chsm_http_options options = { .proxy = bad[i] };
    CHECK(!chsm_http_check(&options, &failure));
    CHECK_EQ_STR("InvalidProxy", failure.code);
    CHECK(strstr(failure.message, "secret") == NULL);
  }
}


int main(void) {
  a_head_keeps_names_in_lower_case_and_joins_repeated_ones();
  a_head_forgets_what_interim_answers_said();
  a_head_refuses_what_peers_could_read_in_two_ways();
  a_head_accepts_only_status_lines_of_http_1();
  a_head_has_a_limit_over_all_its_answers();
  a_length_that_no_integer_holds_is_the_largest();
  an_answer_reads_the_same_in_whatever_pieces_it_arrives();
  only_a_body_without_a_length_ends_with_the_connection();
  an_answer_without_end_is_refused_soon();
  a_request_is_what_was_given_and_says_how_long_it_is();
  a_value_holds_no_control_byte_anywhere();
  failures_say_what_happened_and_how_far_it_got();
  failures_of_certificates_are_told_apart();
  complaints_about_the_clients_certificate_are_told_apart();
  failures_name_durations_reasons_and_proxies();
  a_message_is_one_line_and_fits();
  requests_that_cannot_be_sent_as_given_are_refused();
  a_client_takes_only_so_many_transfers_at_once();
  a_ca_file_must_hold_a_certificate();
  a_folder_of_authorities_holds_one_under_its_hash();
  a_proxy_must_be_a_url_and_is_never_shown();
  a_transfer_ends_with_its_owner_or_with_its_client();
  a_forked_child_leaves_its_parents_connections_alone();
  return check_finish();
}
