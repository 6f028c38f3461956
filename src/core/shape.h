#ifndef CHSM_SHAPE_H
#define CHSM_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "date.h"

#pragma GCC visibility push(hidden)

/* The shape kinds of AWS's `json` protocol. A union is a structure with `is_union`; a document is any JSON. */
typedef enum {
  CHSM_STRING, /* from here to a blob: values that hold no others */
  CHSM_INTEGER,
  CHSM_LONG,
  CHSM_DOUBLE,
  CHSM_BOOLEAN,
  CHSM_TIMESTAMP,
  CHSM_BLOB,
  CHSM_LIST,
  CHSM_MAP,
  CHSM_STRUCTURE,
  CHSM_DOCUMENT
} chsm_kind;

enum {
  CHSM_NO_NAME = -1,
  CHSM_MOST_DEPTH = 96, /* how deep values may nest, in either direction */
};

typedef struct chsm_name {
  const char *text; /* in the model's memory */
  uint32_t length;
} chsm_name;

/* Names in a given order, found by text in constant time. */
typedef struct chsm_names {
  chsm_name *list;
  uint32_t count;
  uint32_t mask;   /* one less than the number of slots, a power of two */
  uint32_t *slots; /* index + 1; 0: free */
} chsm_names;

typedef struct chsm_member {
  uint32_t shape;
  bool required;
  bool has_format;
  chsm_date_format format; /* of a timestamp, where the member says so */
  uint32_t next;           /* number, from 1, of the member that came after this one in the last answer: a hint; 0: none */
} chsm_member;

typedef struct chsm_shape {
  chsm_kind kind;
  chsm_date_format format; /* of a timestamp */
  bool is_union;
  bool sparse;  /* a list or map whose elements may be null */
  bool lenient; /* a string that the service has been seen to write as a number */
  bool has_minimum;
  double minimum;       /* of a number's value, a string's length in characters, a list's or map's count */
  uint32_t element;     /* shape of a list's member or a map's value */
  chsm_names names;     /* of a structure's members, in the order they are written */
  chsm_names wire;      /* the same in JSON; `list` is the same pointer where no member has another name there */
  chsm_member *members; /* a structure's, one for each name */
  uint32_t first_name;  /* number of the first member among all members of the model */
  uint32_t first;       /* as `next`, of the member that came first */
  uint32_t usual_size;  /* how many elements or members were seen last: a hint and nothing more */
} chsm_shape;

/* A compiled model. Zero-initialised is a valid empty one. It owns everything that it points to. */
typedef struct chsm_model {
  chsm_names names; /* of the shapes */
  chsm_shape *shapes;
  uint32_t member_count; /* of all structures */
  void **blocks;         /* memory to free */
  size_t block_count;
  size_t block_capacity;
} chsm_model;

void *chsm_model_allocate(chsm_model *model, size_t count, size_t size);
chsm_status chsm_model_name(chsm_model *model, chsm_name *name, const char *text, size_t length);
chsm_status chsm_names_reserve(chsm_model *model, chsm_names *names, uint32_t count);
chsm_status chsm_names_index(chsm_model *model, chsm_names *names);
long chsm_names_find(const chsm_names *names, const char *text, size_t length);
long chsm_names_nearest(const chsm_names *names, const char *text, size_t length);
void chsm_model_free(chsm_model *model);

#pragma GCC visibility pop

#endif
