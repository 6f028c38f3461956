#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "../../src/core/ec_key.h"
#include "check.h"

/* A new key on a curve, as PEM. */
static size_t make(int curve, char *pem, size_t most) {
  EVP_PKEY *key = NULL;
  BIO *output = BIO_new(BIO_s_mem());
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  CHECK(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, curve) == 1);
  CHECK(EVP_PKEY_keygen(context, &key) == 1 && PEM_write_bio_PrivateKey(output, key, NULL, NULL, 0, NULL, NULL) == 1);
  int length = BIO_read(output, pem, (int)most);
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(output);
  return length > 0 ? (size_t)length : 0;
}


static void a_key_signs_until_it_is_closed(void) {
  char pem[1024];
  unsigned char first[CHSM_EC_SIGNATURE], second[CHSM_EC_SIGNATURE];
  chsm_ec_key key = { 0 };
  size_t length = make(NID_X9_62_prime256v1, pem, sizeof pem);
  CHECK_EQ_INT(CHSM_EC_KEY_OK, chsm_ec_key_open(&key, pem, length));
  CHECK_EQ_INT(CHSM_EC_KEY_OK, chsm_ec_key_sign(&key, "x", 1, first));
  CHECK_EQ_INT(CHSM_EC_KEY_OK, chsm_ec_key_sign(&key, "x", 1, second));
  CHECK(memcmp(first, second, sizeof first) != 0); /* each has a number of its own in it */
  chsm_ec_key_close(&key);
  CHECK(key.key == NULL);
  chsm_ec_key_close(&key);
}


static void a_key_that_is_refused_leaves_nothing(void) {
  char pem[1024];
  chsm_ec_key key = { 0 };
  size_t length = make(NID_secp384r1, pem, sizeof pem);
  CHECK_EQ_INT(CHSM_EC_KEY_OTHER_CURVE, chsm_ec_key_open(&key, pem, length));
  CHECK(key.key == NULL);
  CHECK_EQ_INT(CHSM_EC_KEY_UNREADABLE, chsm_ec_key_open(&key, pem, length / 2));
  CHECK_EQ_INT(CHSM_EC_KEY_UNREADABLE, chsm_ec_key_open(&key, "", 0));
  CHECK_EQ_INT(CHSM_EC_KEY_TOO_LARGE, chsm_ec_key_open(&key, pem, (size_t)1 << 40));
  CHECK(key.key == NULL);
}


static void the_queue_of_openssl_errors_is_left_alone(void) {
  char pem[1024];
  unsigned char signature[CHSM_EC_SIGNATURE];
  chsm_ec_key key = { 0 };
  size_t length = make(NID_X9_62_prime256v1, pem, sizeof pem);
  ERR_clear_error();
  ERR_put_error(ERR_LIB_USER, 0, 7, "", 0);
  unsigned long before = ERR_peek_last_error();
  chsm_ec_key_open(&key, "nothing", 7);
  CHECK(ERR_peek_last_error() == before);
  chsm_ec_key_open(&key, pem, length);
  chsm_ec_key_sign(&key, "x", 1, signature);
  chsm_ec_key_close(&key);
  CHECK(ERR_get_error() == before);
  CHECK(ERR_get_error() == 0);
}


static void every_status_has_words(void) {
  for (int status = CHSM_EC_KEY_TOO_LARGE; status <= CHSM_EC_KEY_FAILED; status++)
    CHECK(strlen(chsm_ec_key_message((chsm_ec_key_status)status)) > 10);
}


int main(void) {
  a_key_signs_until_it_is_closed();
  a_key_that_is_refused_leaves_nothing();
  the_queue_of_openssl_errors_is_left_alone();
  every_status_has_words();
  return check_finish();
}
