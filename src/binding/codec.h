/* The codec's three files: codec.c compiles shapes, encode.c and decode.c walk by them. */
#ifndef CHSM_CODEC_H
#define CHSM_CODEC_H

#include "../core/buffer.h"
#include "../core/shape.h"
#include "compat.h"

#define CHSM_MODEL_TYPE "cloudhsmv2.model"
#define CHSM_LIST_TYPE "cloudhsmv2.list"

#pragma GCC visibility push(hidden)

enum {
  CHSM_WORK_AT = 0,                   /* where the list of a model's names holds its work area */
  CHSM_CODEC_SLOTS = 8,               /* of Lua's stack, for one level of a value */
  CHSM_CODEC_BYTES = 8 * 1024 * 1024, /* of a request, or of a string with escapes */
};

/* Buffers of one call, in a userdata so that a Lua error cannot leak them. */
typedef struct chsm_work {
  bool busy; /* somebody writes into it */
  chsm_buffer out;
  chsm_buffer problems; /* records: length of path, length of message, path, message */
  chsm_buffer message;
  chsm_buffer keys; /* a stack: the keys of the maps that are being written */
} chsm_work;

chsm_work *chsm_new_work(lua_State *L);
chsm_work *chsm_take_work(lua_State *L, int own);
void chsm_give_work(chsm_work *work);
void chsm_free_work(chsm_work *work);
chsm_shape *chsm_check_shape(lua_State *L, const chsm_model *model);

int chsm_model_encoder(lua_State *L);
int chsm_model_decode(lua_State *L);

#pragma GCC visibility pop

#endif
