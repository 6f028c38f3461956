/* Decimal text and binary numbers, exactly rounded both ways, whatever the locale says.

   The usual number takes a short path: few digits and a small power of ten are exact in a double, so that one multiplication or
   division rounds once. All else is done in whole numbers of as many bits as it takes (after Clinger, "How to read floating point
   numbers accurately", and Steele and White, "How to print floating-point numbers accurately", both PLDI 1990). */
#include "number.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "ascii.h"

enum {
  LIMBS = 136,       /* 4,352 bits: more than 10^1170 with room for a quotient */
  MOST_DIGITS = 770, /* no double, and no midpoint of two, has more significant decimal digits */
  EXACT_POWER = 22,  /* 10^22 is the last power of ten that a double holds exactly */
  MOST_EXPONENT = 99999
};

static const double POWERS[EXACT_POWER + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static const uint64_t EXACT_INTEGER = UINT64_C(1) << 53;

/* A whole number of up to LIMBS 32-bit limbs, the lowest first, without zero limbs on top. */
typedef struct big {
  uint32_t limbs[LIMBS];
  size_t length;
} big;


static void big_set(big *number, uint64_t value) {
  number->length = 0;
  for (; value; value >>= 32)
    number->limbs[number->length++] = (uint32_t)value;
}


/* number = number * factor + addend. The caller keeps it inside LIMBS. */
static void big_multiply_add(big *number, uint32_t factor, uint32_t addend) {
  uint64_t carry = addend;
  for (size_t i = 0; i < number->length; i++) {
    carry += (uint64_t)number->limbs[i] * factor;
    number->limbs[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry) number->limbs[number->length++] = (uint32_t)carry;
}


static void big_multiply_power(big *number, int power) {
  for (; power >= 9; power -= 9)
    big_multiply_add(number, 1000000000u, 0);
  for (; power > 0; power--)
    big_multiply_add(number, 10, 0);
}


static void big_shift(big *number, int bits) {
  if (bits <= 0 || !number->length) return;
  size_t limbs = (size_t)bits / 32;
  memmove(number->limbs + limbs, number->limbs, number->length * sizeof *number->limbs);
  memset(number->limbs, 0, limbs * sizeof *number->limbs);
  number->length += limbs;
  if (bits % 32) big_multiply_add(number, UINT32_C(1) << (bits % 32), 0);
}


static int big_bits(const big *number) {
  if (!number->length) return 0;
  int bits = (int)(number->length - 1) * 32;
  for (uint32_t top = number->limbs[number->length - 1]; top; top >>= 1)
    bits++;
  return bits;
}


static int big_compare(const big *a, const big *b) {
  if (a->length != b->length) return a->length < b->length ? -1 : 1;
  for (size_t i = a->length; i-- > 0;) {
    if (a->limbs[i] != b->limbs[i]) return a->limbs[i] < b->limbs[i] ? -1 : 1;
  }
  return 0;
}


/* a = a - b, where a >= b. */
static void big_subtract(big *a, const big *b) {
  uint64_t borrow = 0;
  for (size_t i = 0; i < a->length; i++) {
    uint64_t take = (i < b->length ? b->limbs[i] : 0) + borrow;
    borrow = a->limbs[i] < take;
    a->limbs[i] = (uint32_t)(a->limbs[i] - take);
  }
  while (a->length && !a->limbs[a->length - 1])
    a->length--;
}


/* How many bytes of `text` are one number by JSON's grammar (RFC 8259, section 6); 0: none.
 *integral: neither a fraction nor an exponent is written. */
size_t chsm_number_scan(const char *text, size_t length, bool *integral) {
  size_t at = 0;
  if (at < length && text[at] == '-') at++;
  if (at == length || !chsm_ascii_is_digit(text[at])) return 0;
  if (text[at] == '0')
    at++;
  else
    while (at < length && chsm_ascii_is_digit(text[at]))
      at++;
  *integral = true;
  if (at < length && text[at] == '.') {
    size_t first = ++at;
    while (at < length && chsm_ascii_is_digit(text[at]))
      at++;
    if (at == first) return 0;
    *integral = false;
  }
  if (at < length && (text[at] == 'e' || text[at] == 'E')) {
    at++;
    if (at < length && (text[at] == '+' || text[at] == '-')) at++;
    size_t first = at;
    while (at < length && chsm_ascii_is_digit(text[at]))
      at++;
    if (at == first) return 0;
    *integral = false;
  }
  return at;
}


/* The double nearest to `numerator / denominator`, both positive; infinity when it is too large. Changes both. */
static double nearest(big *numerator, big *denominator) {
  /* scaled so that the quotient has 63 or 64 bits; what the division leaves only matters as "not exact" */
  int scale = 63 - (big_bits(numerator) - big_bits(denominator));
  if (scale > 0)
    big_shift(numerator, scale);
  else
    big_shift(denominator, -scale);
  uint64_t quotient = 0;
  big_shift(denominator, 63);
  for (int bit = 0; bit < 64; bit++) {
    quotient <<= 1;
    if (big_compare(numerator, denominator) >= 0) {
      big_subtract(numerator, denominator);
      quotient |= 1;
    }
    big_shift(numerator, 1);
  }
  bool sticky = numerator->length > 0;
  int exponent = -scale; /* of the quotient's lowest bit */
  while (!(quotient >> 63)) {
    quotient <<= 1;
    exponent--;
  }

  int drop = 64 - DBL_MANT_DIG;
  int lowest = DBL_MIN_EXP - DBL_MANT_DIG; /* exponent of the smallest subnormal */
  if (exponent + drop < lowest) drop = lowest - exponent;
  if (drop > 64) return 0;
  uint64_t mantissa = drop == 64 ? 0 : quotient >> drop;
  uint64_t half = UINT64_C(1) << (drop - 1);
  uint64_t rest = drop == 64 ? quotient : quotient & ((UINT64_C(1) << drop) - 1);
  if (rest > half || (rest == half && (sticky || (mantissa & 1)))) mantissa++;
  return ldexp((double)mantissa, exponent + drop);
}


/* Reads a number in one go where that is exact: at most 15 digits, without an exponent. Returns how many bytes it has, or 0: it takes
   chsm_number_scan and chsm_number_to_double to tell. */
size_t chsm_number_read(const char *text, size_t length, double *value) {
  enum { MOST = 17 }; /* bytes: a sign, 15 digits, a point */
  uint64_t mantissa = 0;
  size_t at = length > 0 && text[0] == '-', first = at, point = 0;
  if (FLT_EVAL_METHOD != 0) return 0;
  for (; at < length && at <= MOST; at++) {
    if (chsm_ascii_is_digit(text[at]))
      mantissa = mantissa * 10 + (uint64_t)(text[at] - '0');
    else if (text[at] == '.' && !point && at > first)
      point = at;
    else
      break;
  }
  if (at == first || at > MOST || (point && at == point + 1) || (at < length && (text[at] == 'e' || text[at] == 'E'))) return 0;
  size_t digits = at - first - (point ? 1 : 0), decimals = point ? at - point - 1 : 0;
  if (digits > 15 || (text[first] == '0' && digits > 1 && point != first + 1)) return 0;
  double magnitude = (double)mantissa / POWERS[decimals];
  *value = first ? -magnitude : magnitude;
  return at;
}


/* `text` is a number that chsm_number_scan took whole. CHSM_TOO_LARGE: no finite double is near it. */
chsm_status chsm_number_to_double(const char *text, size_t length, double *value) {
  size_t at = 0;
  bool negative = length > 0 && text[0] == '-';
  if (negative) at++;

  char digits[MOST_DIGITS + 1]; /* significant ones */
  size_t count = 0;
  uint64_t mantissa = 0;
  int exponent = 0; /* of the last digit kept */
  bool fraction = false;
  bool lost = false; /* a digit that is not zero was left out */
  for (; at < length && text[at] != 'e' && text[at] != 'E'; at++) {
    if (text[at] == '.') {
      fraction = true;
      continue;
    }
    if (count == 0 && text[at] == '0') {
      exponent -= fraction;
    } else if (count < MOST_DIGITS) {
      if (count < 19) mantissa = mantissa * 10 + (uint64_t)(text[at] - '0');
      digits[count++] = text[at];
      exponent -= fraction;
    } else {
      lost = lost || text[at] != '0';
      exponent += !fraction;
    }
    if (exponent > MOST_EXPONENT || exponent < -MOST_EXPONENT) return CHSM_TOO_LARGE;
  }
  if (at < length) {
    bool below = text[++at] == '-';
    if (below || text[at] == '+') at++;
    int written = 0;
    for (; at < length; at++)
      if (written < MOST_EXPONENT) written = written * 10 + (text[at] - '0');
    exponent += below ? -written : written;
  }

  double magnitude;
  if (count == 0) {
    magnitude = 0;
  } else if (count <= 19 && mantissa <= EXACT_INTEGER && exponent >= -EXACT_POWER && exponent <= EXACT_POWER && FLT_EVAL_METHOD == 0) {
    magnitude = exponent < 0 ? (double)mantissa / POWERS[-exponent] : (double)mantissa * POWERS[exponent];
  } else if ((int)count + exponent > 310) {
    return CHSM_TOO_LARGE;
  } else if ((int)count + exponent < -330) {
    magnitude = 0;
  } else {
    if (lost) {
      digits[count++] = '1';
      exponent--;
    }
    big numerator = { .length = 0 };
    big denominator;
    big_set(&denominator, 1);
    for (size_t i = 0; i < count; i++)
      big_multiply_add(&numerator, 10, (uint32_t)(digits[i] - '0'));
    if (exponent >= 0)
      big_multiply_power(&numerator, exponent);
    else
      big_multiply_power(&denominator, -exponent);
    magnitude = nearest(&numerator, &denominator);
    if (magnitude > DBL_MAX) return CHSM_TOO_LARGE;
  }
  *value = negative ? -magnitude : magnitude;
  return CHSM_OK;
}


/* `text` is a number that chsm_number_scan took whole. CHSM_INVALID: it has a fraction. CHSM_TOO_LARGE: not an int64. */
chsm_status chsm_number_to_integer(const char *text, size_t length, int64_t *value) {
  size_t at = 0;
  bool negative = length > 0 && text[0] == '-';
  if (negative) at++;
  const uint64_t most = negative ? UINT64_C(1) << 63 : (UINT64_C(1) << 63) - 1;
  uint64_t magnitude = 0;
  for (; at < length && chsm_ascii_is_digit(text[at]); at++) {
    uint64_t digit = (uint64_t)(text[at] - '0');
    if (magnitude > (most - digit) / 10) return CHSM_TOO_LARGE;
    magnitude = magnitude * 10 + digit;
  }
  if (at < length) { /* 3.0 or 3e0: whole all the same, if a double says so without rounding */
    double whole;
    chsm_status status = chsm_number_to_double(text, length, &whole);
    if (status != CHSM_OK) return status;
    if (whole != floor(whole)) return CHSM_INVALID;
    if (fabs(whole) > (double)EXACT_INTEGER) return CHSM_TOO_LARGE;
    *value = (int64_t)whole;
    return CHSM_OK;
  }
  *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
  return CHSM_OK;
}


/* Writes `value` in decimal into CHSM_NUMBER_TEXT bytes at most; returns how many. */
size_t chsm_number_from_integer(int64_t value, char *text) {
  char reversed[CHSM_NUMBER_TEXT];
  size_t count = 0;
  uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  do {
    reversed[count++] = (char)('0' + magnitude % 10);
    magnitude /= 10;
  } while (magnitude);
  size_t length = 0;
  if (value < 0) text[length++] = '-';
  while (count)
    text[length++] = reversed[--count];
  return length;
}


/* The first 18 decimal digits of a positive `value`, cut and not rounded, and whether more follow; returns the power of ten of the
   first one. */
static int leading_digits(double value, char digits[18], bool *more) {
  int exponent;
  uint64_t mantissa = (uint64_t)ldexp(frexp(value, &exponent), DBL_MANT_DIG);
  exponent -= DBL_MANT_DIG;
  big numerator;
  big denominator;
  big_set(&numerator, mantissa);
  big_set(&denominator, 1);
  big_shift(&numerator, exponent);
  big_shift(&denominator, -exponent);

  int power = (int)floor((exponent + DBL_MANT_DIG - 1) * 0.30102999566398120);
  if (power >= 0)
    big_multiply_power(&denominator, power);
  else
    big_multiply_power(&numerator, -power);
  for (; big_compare(&numerator, &denominator) < 0; power--)
    big_multiply_add(&numerator, 10, 0);
  for (;; power++) {
    big tenfold = denominator;
    big_multiply_add(&tenfold, 10, 0);
    if (big_compare(&numerator, &tenfold) < 0) break;
    denominator = tenfold;
  }

  for (int i = 0; i < 18; i++) {
    digits[i] = '0';
    for (; big_compare(&numerator, &denominator) >= 0; digits[i]++)
      big_subtract(&numerator, &denominator);
    big_multiply_add(&numerator, 10, 0);
  }
  *more = numerator.length > 0;
  return power;
}


/* Rounds 18 digits to `count`; returns 1 when a carry made one more power of ten (the digits are then 1000...). */
static int round_digits(const char digits[18], bool more, int count, char rounded[18]) {
  memcpy(rounded, digits, 18);
  bool up = digits[count] > '5';
  if (digits[count] == '5') {
    up = more || (digits[count - 1] - '0') % 2;
    for (int i = count + 1; i < 18; i++)
      up = up || digits[i] != '0';
  }
  if (!up) return 0;
  for (int i = count - 1; i >= 0; i--) {
    if (rounded[i] < '9') {
      rounded[i]++;
      return 0;
    }
    rounded[i] = '0';
  }
  rounded[0] = '1';
  return 1;
}


/* Writes `count` digits, the first of them of `power`, the way that is easiest to read. */
static size_t place_digits(const char *digits, int count, int power, char *text) {
  size_t length = 0;
  while (count > 1 && digits[count - 1] == '0')
    count--;
  if (power < -5 || power > 16) {
    text[length++] = digits[0];
    if (count > 1) text[length++] = '.';
    for (int i = 1; i < count; i++)
      text[length++] = digits[i];
    text[length++] = 'e';
    return length + chsm_number_from_integer(power, text + length);
  }
  if (power < 0) {
    text[length++] = '0';
    text[length++] = '.';
    for (int i = -1; i > power; i--)
      text[length++] = '0';
  }
  for (int i = 0; i < count || i <= power; i++) {
    if (i == power + 1 && i > 0) text[length++] = '.';
    text[length++] = i < count ? digits[i] : '0';
  }
  return length;
}


/* Writes the shortest decimal that reads back as the finite `value`, as JSON has numbers, into
   CHSM_NUMBER_TEXT bytes at most; returns how many. */
size_t chsm_number_from_double(double value, char *text) {
  size_t sign = 0;
  if (signbit(value)) text[sign++] = '-';
  double magnitude = fabs(value);
  if (magnitude < (double)EXACT_INTEGER) {
    if (magnitude == floor(magnitude)) return sign + chsm_number_from_integer((int64_t)magnitude, text + sign);
    /* milliseconds, as this service's timestamps have them */
    double thousandths = floor(magnitude * 1000 + 0.5);
    if (magnitude >= 1 && thousandths < 1e15 && thousandths / 1000 == magnitude) {
      int64_t whole = (int64_t)thousandths;
      size_t length = sign + chsm_number_from_integer(whole / 1000, text + sign);
      int rest = (int)(whole % 1000);
      text[length++] = '.';
      for (int unit = 100; rest; unit /= 10) {
        text[length++] = (char)('0' + rest / unit);
        rest %= unit;
      }
      return length;
    }
  }

  char digits[18];
  char rounded[18];
  bool more;
  int power = leading_digits(magnitude, digits, &more);
  for (int count = magnitude < DBL_MIN ? 1 : 15;; count++) { /* 15 digits never say less than a normal double holds */
    int carry = round_digits(digits, more, count, rounded);
    size_t length = sign + place_digits(rounded, count, power + carry, text + sign);
    double back;
    if (count == 17 || (chsm_number_to_double(text, length, &back) == CHSM_OK && back == value)) return length;
  }
}
