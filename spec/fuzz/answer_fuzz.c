/* Answers of HTTP/1.1 as bytes: what src/core/http_wire.c reads at once is what it reads byte by byte, and nothing passes its limits. */
#include "../../src/core/http_wire.h"
#include "harness.h"

enum { MOST_HEAD = 600, MOST_BODY = 200 };

struct reading {
  chsm_http_head head;
  chsm_buffer body;
  chsm_http_wire wire;
  chsm_http_refusal refusal;
};


/* Reads `bytes` in pieces of `size`, the last one shorter, until one is refused. */
static void read_answer(struct reading *it, bool headless, const char *bytes, size_t length, size_t size) {
  *it = (struct reading) { .head = { .most = MOST_HEAD }, .body = { .cap = MOST_BODY } };
  it->wire = (chsm_http_wire) { .head = &it->head, .body = &it->body, .headless = headless };
  while (length && it->refusal == CHSM_HTTP_FINE) {
    size_t piece = length < size ? length : size, room = chsm_http_wire_room(&it->wire);
    if (room > piece) room = piece;
    if (room && size > 1) { /* as who reads from a socket does */
      memcpy(it->body.bytes + it->body.length, bytes, room);
      chsm_http_wire_took(&it->wire, room);
    } else {
      room = 0;
    }
    it->refusal = chsm_http_wire_read(&it->wire, bytes + room, piece - room);
    bytes += piece;
    length -= piece;
  }
}


static void forget_answer(struct reading *it) {
  chsm_http_head_wipe(&it->head);
  chsm_buffer_wipe(&it->body);
  chsm_http_wire_wipe(&it->wire);
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct reading whole, pieces;
  if (!size) return 0;
  bool headless = data[0] & 1;
  const char *bytes = (const char *)data + 1;
  read_answer(&whole, headless, bytes, size - 1, size);
  read_answer(&pieces, headless, bytes, size - 1, 1 + (size_t)data[0] / 64);

  EXPECT((whole.refusal == CHSM_HTTP_FINE) == (pieces.refusal == CHSM_HTTP_FINE));
  EXPECT(whole.body.length <= MOST_BODY && pieces.body.length <= MOST_BODY);
  EXPECT(whole.head.seen <= MOST_HEAD && whole.head.complete == pieces.head.complete && whole.head.count == pieces.head.count);
  if (whole.refusal == CHSM_HTTP_FINE) {
    EXPECT(whole.body.length == pieces.body.length);
    EXPECT(!whole.body.length || !memcmp(whole.body.bytes, pieces.body.bytes, whole.body.length));
    EXPECT(whole.wire.place == pieces.wire.place && whole.wire.left == pieces.wire.left && whole.wire.spilled == pieces.wire.spilled);
    EXPECT(chsm_http_wire_lasts(&whole.wire) == chsm_http_wire_lasts(&pieces.wire));
    EXPECT(chsm_http_wire_end(&whole.wire) == chsm_http_wire_end(&pieces.wire));
    if (whole.head.complete) EXPECT(chsm_http_head_join(&whole.head) == CHSM_HTTP_FINE);
  }
  forget_answer(&whole);
  forget_answer(&pieces);
  return 0;
}
