/* A second opinion on JSON: a strict recursive reader (RFC 8259) that builds a tree, made for being obviously right. */
#ifndef CHSM_FUZZ_JSON_ORACLE_H
#define CHSM_FUZZ_JSON_ORACLE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ORACLE_MOST_DEPTH = 96, ORACLE_MOST_NODES = 1 << 16, ORACLE_MOST_TEXT = 1 << 17 };

typedef enum { NODE_NULL, NODE_FALSE, NODE_TRUE, NODE_NUMBER, NODE_STRING, NODE_ARRAY, NODE_OBJECT } node_kind;

typedef struct node {
  node_kind kind;
  const char *key; /* of a member of an object; in the oracle's text */
  size_t key_length;
  const char *text; /* of a string; of a number as it is written */
  size_t length;
  bool integral;
  double number;
  struct node *first; /* element */
  struct node *next;  /* of the same collection */
} node;

typedef struct oracle {
  const unsigned char *at;
  const unsigned char *end;
  int depth;
  bool too_deep;
  bool too_large; /* a number that no double is near to */
  size_t nodes_used;
  size_t text_used;
  node nodes[ORACLE_MOST_NODES];
  char text[ORACLE_MOST_TEXT];
} oracle;


static void oracle_blank(oracle *o) {
  while (o->at < o->end && (*o->at == 0x20 || *o->at == 0x09 || *o->at == 0x0A || *o->at == 0x0D))
    o->at++;
}


static bool oracle_literal(oracle *o, const char *word) {
  for (; *word; word++)
    if (o->at == o->end || *o->at++ != (unsigned char)*word) return false;
  return true;
}


static bool oracle_put(oracle *o, unsigned byte) {
  if (o->text_used == ORACLE_MOST_TEXT) return false;
  o->text[o->text_used++] = (char)byte;
  return true;
}


static bool oracle_put_code(oracle *o, unsigned long code) {
  if (code < 0x80) return oracle_put(o, (unsigned)code);
  if (code < 0x800) return oracle_put(o, (unsigned)(0xC0 + code / 0x40)) && oracle_put(o, (unsigned)(0x80 + code % 0x40));
  if (code < 0x10000)
    return oracle_put(o, (unsigned)(0xE0 + code / 0x1000)) && oracle_put(o, (unsigned)(0x80 + code / 0x40 % 0x40)) &&
           oracle_put(o, (unsigned)(0x80 + code % 0x40));
  return oracle_put(o, (unsigned)(0xF0 + code / 0x40000)) && oracle_put(o, (unsigned)(0x80 + code / 0x1000 % 0x40)) &&
         oracle_put(o, (unsigned)(0x80 + code / 0x40 % 0x40)) && oracle_put(o, (unsigned)(0x80 + code % 0x40));
}


/* One code point by the definition: its value from its bits, then whether that value needed so many bytes and may be in UTF-8. */
static bool oracle_utf8(oracle *o) {
  unsigned long code = *o->at;
  int more = code >= 0xF0 && code < 0xF8 ? 3 : code >= 0xE0 && code < 0xF0 ? 2 : code >= 0xC0 && code < 0xE0 ? 1 : code < 0x80 ? 0 : -1;
  if (more < 0 || o->end - o->at <= more) return false;
  static const unsigned char masks[] = { 0x7F, 0x1F, 0x0F, 0x07 };
  static const unsigned long least[] = { 0, 0x80, 0x800, 0x10000 };
  code &= masks[more];
  for (int i = 1; i <= more; i++) {
    if ((o->at[i] & 0xC0) != 0x80) return false;
    code = code * 0x40 + (o->at[i] & 0x3F);
  }
  if (code < least[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  o->at += more + 1;
  return oracle_put_code(o, code);
}


static long oracle_hex4(oracle *o) {
  long value = 0;
  for (int i = 0; i < 4; i++, o->at++) {
    if (o->at == o->end) return -1;
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *found = *o->at ? strchr(digits, *o->at) : NULL;
    if (!found) return -1;
    value = value * 16 + (found - digits) % 16;
  }
  return value;
}


static bool oracle_string(oracle *o, const char **text, size_t *length) {
  size_t start = o->text_used;
  if (o->at == o->end || *o->at++ != '"') return false;
  while (o->at < o->end && *o->at != '"') {
    if (*o->at < 0x20) return false;
    if (*o->at != '\\') {
      if (!oracle_utf8(o)) return false;
      continue;
    }
    if (++o->at == o->end) return false;
    long code;
    switch (*o->at++) {
    case '"': code = '"'; break;
    case '\\': code = '\\'; break;
    case '/': code = '/'; break;
    case 'b': code = 8; break;
    case 'f': code = 12; break;
    case 'n': code = 10; break;
    case 'r': code = 13; break;
    case 't': code = 9; break;
    case 'u':
      code = oracle_hex4(o);
      if (code < 0 || (code >= 0xDC00 && code < 0xE000)) return false;
      if (code >= 0xD800 && code < 0xDC00) {
        if (!oracle_literal(o, "\\u")) return false;
        long low = oracle_hex4(o);
        if (low < 0xDC00 || low >= 0xE000) return false;
        code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
      }
      break;
    default: return false;
    }
    if (!oracle_put_code(o, (unsigned long)code)) return false;
  }
  if (o->at == o->end) return false;
  o->at++;
  *text = o->text + start;
  *length = o->text_used - start;
  return true;
}


static bool oracle_digits(oracle *o) {
  const unsigned char *start = o->at;
  while (o->at < o->end && *o->at >= '0' && *o->at <= '9')
    o->at++;
  return o->at > start;
}


static bool oracle_number(oracle *o, node *n) {
  const unsigned char *start = o->at;
  n->kind = NODE_NUMBER;
  n->integral = true;
  if (*o->at == '-') o->at++;
  const unsigned char *first = o->at;
  if (!oracle_digits(o) || (*first == '0' && o->at - first > 1)) return false;
  if (o->at < o->end && *o->at == '.') {
    o->at++;
    n->integral = false;
    if (!oracle_digits(o)) return false;
  }
  if (o->at < o->end && (*o->at == 'e' || *o->at == 'E')) {
    o->at++;
    n->integral = false;
    if (o->at < o->end && (*o->at == '+' || *o->at == '-')) o->at++;
    if (!oracle_digits(o)) return false;
  }
  size_t at = o->text_used;
  for (const unsigned char *c = start; c < o->at; c++)
    if (!oracle_put(o, *c)) return false;
  n->text = o->text + at;
  n->length = o->text_used - at;
  if (!oracle_put(o, 0)) return false;
  n->number = strtod(n->text, NULL);
  return true;
}


static node *oracle_value(oracle *o) {
  oracle_blank(o);
  if (o->at == o->end || o->nodes_used == ORACLE_MOST_NODES) return NULL;
  node *n = &o->nodes[o->nodes_used++];
  *n = (node) { .kind = NODE_NULL };
  switch (*o->at) {
  case 'n': return oracle_literal(o, "null") ? n : NULL;
  case 't': n->kind = NODE_TRUE; return oracle_literal(o, "true") ? n : NULL;
  case 'f': n->kind = NODE_FALSE; return oracle_literal(o, "false") ? n : NULL;
  case '"': n->kind = NODE_STRING; return oracle_string(o, &n->text, &n->length) ? n : NULL;
  case '[':
  case '{': break;
  default: return oracle_number(o, n) ? n : NULL;
  }

  bool object = *o->at == '{';
  unsigned char close = object ? '}' : ']';
  n->kind = object ? NODE_OBJECT : NODE_ARRAY;
  if (++o->depth > ORACLE_MOST_DEPTH) {
    o->too_deep = true;
    return NULL;
  }
  o->at++;
  oracle_blank(o);
  node **link = &n->first;
  if (o->at < o->end && *o->at == close) {
    o->at++;
    o->depth--;
    return n;
  }
  for (;;) {
    const char *key = NULL;
    size_t key_length = 0;
    if (object) {
      oracle_blank(o);
      if (!oracle_string(o, &key, &key_length)) return NULL;
      oracle_blank(o);
      if (o->at == o->end || *o->at++ != ':') return NULL;
    }
    node *element = oracle_value(o);
    if (!element) return NULL;
    element->key = key;
    element->key_length = key_length;
    *link = element;
    link = &element->next;
    oracle_blank(o);
    if (o->at == o->end) return NULL;
    unsigned char c = *o->at++;
    if (c == close) break;
    if (c != ',') return NULL;
  }
  o->depth--;
  return n;
}


/* The tree of `data`, which lives in `o`; NULL: not one JSON document of at most 96 levels. */
static node *oracle_read(oracle *o, const uint8_t *data, size_t size) {
  o->at = data;
  o->end = data + size;
  o->depth = 0;
  o->too_deep = false;
  o->nodes_used = o->text_used = 0;
  node *root = oracle_value(o);
  oracle_blank(o);
  return root && o->at == o->end ? root : NULL;
}


/* Whether a later member of the same object has the same name. */
static inline bool oracle_repeated(const node *member, bool skip_null) {
  for (const node *other = member->next; other; other = other->next)
    if (other->key_length == member->key_length && !memcmp(other->key, member->key, member->key_length) &&
        !(skip_null && other->kind == NODE_NULL))
      return true;
  return false;
}


#endif
