#include "ec_key.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#include <openssl/core_names.h>
#endif

enum { MOST_PEM = 64 * 1024, MOST_DER = 80 };


/* OpenSSL's callback for a password: there is none, and nobody is asked. Notes at `data` that one was needed. */
static int no_password(char *buffer, int size, int writing, void *data) {
  (void)buffer, (void)size, (void)writing;
  *(bool *)data = true;
  return -1;
}


/* Writes the coordinates of the public point, and takes what it was given: either may be NULL. */
static bool write_point(chsm_ec_key *key, BIGNUM *x, BIGNUM *y) {
  bool good = x && y && BN_bn2binpad(x, key->x, CHSM_EC_COORDINATE) == CHSM_EC_COORDINATE &&
              BN_bn2binpad(y, key->y, CHSM_EC_COORDINATE) == CHSM_EC_COORDINATE;
  BN_free(x);
  BN_free(y);
  return good;
}


#if OPENSSL_VERSION_NUMBER >= 0x30000000L
/* Whether the key is one on P-256, by its curve's name. */
static bool is_p256(const EVP_PKEY *key) {
  char name[32];
  return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof name, NULL) == 1 &&
         strcmp(name, SN_X9_62_prime256v1) == 0;
}


static bool read_point(chsm_ec_key *key) {
  BIGNUM *x = NULL, *y = NULL;
  EVP_PKEY_get_bn_param(key->key, OSSL_PKEY_PARAM_EC_PUB_X, &x);
  EVP_PKEY_get_bn_param(key->key, OSSL_PKEY_PARAM_EC_PUB_Y, &y);
  return write_point(key, x, y);
}
#else
static bool is_p256(EVP_PKEY *key) {
  const EC_KEY *ec = EVP_PKEY_base_id(key) == EVP_PKEY_EC ? EVP_PKEY_get0_EC_KEY(key) : NULL;
  return ec && EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == NID_X9_62_prime256v1;
}


static bool read_point(chsm_ec_key *key) {
  const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key->key);
  const EC_POINT *point = EC_KEY_get0_public_key(ec);
  BIGNUM *x = BN_new(), *y = BN_new();
  bool good = x && y && point && EC_POINT_get_affine_coordinates(EC_KEY_get0_group(ec), point, x, y, NULL) == 1;
  return write_point(key, x, y) && good;
}
#endif


/* Whether private and public part belong together and lie on the curve. */
static bool is_sound(EVP_PKEY *key) {
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  bool sound = context && EVP_PKEY_check(context) == 1;
  EVP_PKEY_CTX_free(context);
  return sound;
}


static chsm_ec_key_status open_key(chsm_ec_key *key, const char *pem, size_t length) {
  bool encrypted = false;
  BIO *input = BIO_new_mem_buf(pem, (int)length);
  if (!input) return CHSM_EC_KEY_FAILED;
  key->key = PEM_read_bio_PrivateKey(input, NULL, no_password, &encrypted);
  BIO_free(input);
  if (!key->key) return encrypted ? CHSM_EC_KEY_ENCRYPTED : CHSM_EC_KEY_UNREADABLE;
  if (!is_p256(key->key)) return CHSM_EC_KEY_OTHER_CURVE;
  if (!is_sound(key->key)) return CHSM_EC_KEY_UNSOUND;
  return read_point(key) ? CHSM_EC_KEY_OK : CHSM_EC_KEY_FAILED;
}


/* Reads a private key, "EC PRIVATE KEY" or PKCS#8's "PRIVATE KEY" in PEM, into a key that is closed. Never asks for a password. Where it
   fails the key stays closed. The caller's queue of OpenSSL errors is as it was. */
chsm_ec_key_status chsm_ec_key_open(chsm_ec_key *key, const char *pem, size_t length) {
  if (length > MOST_PEM) return CHSM_EC_KEY_TOO_LARGE;
  ERR_set_mark();
  chsm_ec_key_status status = open_key(key, pem, length);
  if (status != CHSM_EC_KEY_OK) chsm_ec_key_close(key);
  ERR_pop_to_mark();
  return status;
}


/* Writes the two numbers of a signature in DER, each at its full length. */
static bool write_numbers(const unsigned char *der, size_t length, unsigned char signature[CHSM_EC_SIGNATURE]) {
  ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &der, (long)length);
  if (!parsed) return false;
  bool good = BN_bn2binpad(ECDSA_SIG_get0_r(parsed), signature, CHSM_EC_COORDINATE) == CHSM_EC_COORDINATE &&
              BN_bn2binpad(ECDSA_SIG_get0_s(parsed), signature + CHSM_EC_COORDINATE, CHSM_EC_COORDINATE) == CHSM_EC_COORDINATE;
  ECDSA_SIG_free(parsed);
  return good;
}


/* Signs bytes with an open key: ECDSA over their SHA-256, as r and s (ES256). The caller's queue of OpenSSL errors is as it was. */
chsm_ec_key_status chsm_ec_key_sign(const chsm_ec_key *key, const char *bytes, size_t length, unsigned char signature[CHSM_EC_SIGNATURE]) {
  unsigned char der[MOST_DER];
  size_t size = sizeof der;
  ERR_set_mark();
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool good = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->key) == 1 &&
              EVP_DigestSign(context, der, &size, (const unsigned char *)bytes, length) == 1 && write_numbers(der, size, signature);
  EVP_MD_CTX_free(context);
  ERR_pop_to_mark();
  return good ? CHSM_EC_KEY_OK : CHSM_EC_KEY_FAILED;
}


/* Frees the key, whose private part OpenSSL zeroes. Safe to call twice. */
void chsm_ec_key_close(chsm_ec_key *key) {
  EVP_PKEY_free(key->key);
  key->key = NULL;
}


const char *chsm_ec_key_message(chsm_ec_key_status status) {
  switch (status) {
  case CHSM_EC_KEY_OK: return "";
  case CHSM_EC_KEY_TOO_LARGE: return "too large for a private key";
  case CHSM_EC_KEY_ENCRYPTED: return "the private key is encrypted";
  case CHSM_EC_KEY_UNREADABLE: return "no private key in PEM";
  case CHSM_EC_KEY_OTHER_CURVE: return "not a key on the curve P-256";
  case CHSM_EC_KEY_UNSOUND: return "the private key does not belong to its public key";
  case CHSM_EC_KEY_FAILED: break;
  }
  return "OpenSSL cannot use the key";
}
