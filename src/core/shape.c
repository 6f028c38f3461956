#include "shape.h"

#include <stdlib.h>
#include <string.h>

#include "ascii.h"

enum { MOST_NAMES = 1 << 20, LONGEST_GUESS = 64 };


/* Zeroed memory for `count` things of `size` bytes that lives as long as the model; NULL when there is none. */
void *chsm_model_allocate(chsm_model *model, size_t count, size_t size) {
  if (model->block_count == model->block_capacity) {
    size_t capacity = model->block_capacity ? model->block_capacity * 2 : 64;
    void **blocks = realloc(model->blocks, capacity * sizeof *blocks);
    if (!blocks) return NULL;
    model->blocks = blocks;
    model->block_capacity = capacity;
  }
  void *block = calloc(count ? count : 1, size);
  if (block) model->blocks[model->block_count++] = block;
  return block;
}


/* Copies `text` into the model's memory. */
chsm_status chsm_model_name(chsm_model *model, chsm_name *name, const char *text, size_t length) {
  if (length > UINT32_MAX / 2) return CHSM_TOO_LARGE;
  char *copy = chsm_model_allocate(model, length + 1, 1);
  if (!copy) return CHSM_NO_MEMORY;
  memcpy(copy, text, length);
  name->text = copy;
  name->length = (uint32_t)length;
  return CHSM_OK;
}


/* Room for `count` names, which the caller fills in and then indexes. */
chsm_status chsm_names_reserve(chsm_model *model, chsm_names *names, uint32_t count) {
  if (count > MOST_NAMES) return CHSM_TOO_LARGE;
  names->list = chsm_model_allocate(model, count, sizeof *names->list);
  if (!names->list) return CHSM_NO_MEMORY;
  names->count = count;
  return CHSM_OK;
}


/* Cheap on purpose: names of one structure differ in length or at one of three places, nearly always. */
static uint32_t hash(const char *text, size_t length) {
  if (!length) return 0;
  uint32_t value = (uint32_t)length * 0x9E3779B1u;
  value ^= (uint32_t)(unsigned char)text[0] * 0x85EBCA6Bu;
  value ^= (uint32_t)(unsigned char)text[length / 2] * 0xC2B2AE35u;
  value ^= (uint32_t)(unsigned char)text[length - 1] * 0x27D4EB2Fu;
  return value ^ value >> 15;
}


/* Makes the names findable. Call it once, when `list` is filled in. CHSM_INVALID: a name is there twice. */
chsm_status chsm_names_index(chsm_model *model, chsm_names *names) {
  uint32_t slots = 4;
  while (slots < names->count * 2)
    slots *= 2;
  names->slots = chsm_model_allocate(model, slots, sizeof *names->slots);
  if (!names->slots) return CHSM_NO_MEMORY;
  names->mask = slots - 1;
  for (uint32_t i = 0; i < names->count; i++) {
    const chsm_name *name = &names->list[i];
    if (chsm_names_find(names, name->text, name->length) != CHSM_NO_NAME) return CHSM_INVALID;
    uint32_t slot = hash(name->text, name->length) & names->mask;
    while (names->slots[slot])
      slot = (slot + 1) & names->mask;
    names->slots[slot] = i + 1;
  }
  return CHSM_OK;
}


/* The position of a name, or CHSM_NO_NAME. */
long chsm_names_find(const chsm_names *names, const char *text, size_t length) {
  if (!names->slots) return CHSM_NO_NAME;
  uint32_t slot = hash(text, length) & names->mask;
  for (uint32_t index; (index = names->slots[slot]) != 0; slot = (slot + 1) & names->mask) {
    const chsm_name *name = &names->list[index - 1];
    if (name->length == length && !memcmp(name->text, text, length)) return (long)index - 1;
  }
  return CHSM_NO_NAME;
}


static char folded(char c) { return c == '-' ? '_' : chsm_ascii_lower(c); }


/* Levenshtein's distance, cases and hyphens aside. Both lengths are at most LONGEST_GUESS. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length) {
  size_t row[LONGEST_GUESS + 1];
  for (size_t j = 0; j <= b_length; j++)
    row[j] = j;
  for (size_t i = 1; i <= a_length; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      size_t above = row[j];
      size_t best = diagonal + (folded(a[i - 1]) != folded(b[j - 1]));
      if (above + 1 < best) best = above + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      diagonal = above;
      row[j] = best;
    }
  }
  return row[b_length];
}


/* The name that someone who wrote `text` most likely meant, or CHSM_NO_NAME. */
long chsm_names_nearest(const chsm_names *names, const char *text, size_t length) {
  long nearest = CHSM_NO_NAME;
  size_t least = length / 3 + 1;
  if (!length || length > LONGEST_GUESS) return CHSM_NO_NAME;
  for (uint32_t i = 0; i < names->count; i++) {
    const chsm_name *name = &names->list[i];
    if (name->length > LONGEST_GUESS) continue;
    size_t apart = distance(text, length, name->text, name->length);
    if (apart < least || (apart == least && nearest == CHSM_NO_NAME)) {
      least = apart;
      nearest = (long)i;
    }
  }
  return nearest;
}


/* Frees what the model owns; it is empty then. Safe to call twice. */
void chsm_model_free(chsm_model *model) {
  for (size_t i = 0; i < model->block_count; i++)
    free(model->blocks[i]);
  free(model->blocks);
  *model = (chsm_model) { .blocks = NULL };
}
