#include "ec_key.h"

#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { MOST_DER = 80 }; /* bytes of a signature in DER */

/* How a public key on P-256 begins in DER (RFC 5480): what it is, the curve's name, and that both coordinates follow. */
static const unsigned char P256_PUBLIC[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06,
                                             0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 };


/* OpenSSL's callback for a passphrase: there is nobody to be asked. */
static int no_passphrase(char *buffer, int size, int writing, void *data) {
  (void)buffer, (void)size, (void)writing, (void)data;
  return -1;
}


/* Takes the coordinates from the public half. */
static chsm_ec_status read_public(chsm_ec_key *key) {
  unsigned char *der = NULL;
  int length = i2d_PUBKEY(key->key, &der);
  chsm_ec_status status = CHSM_EC_OTHER_KIND;
  if (length == (int)(sizeof P256_PUBLIC + CHSM_EC_SIGNATURE) && memcmp(der, P256_PUBLIC, sizeof P256_PUBLIC) == 0) {
    memcpy(key->x, der + sizeof P256_PUBLIC, CHSM_EC_COORDINATE);
    memcpy(key->y, der + sizeof P256_PUBLIC + CHSM_EC_COORDINATE, CHSM_EC_COORDINATE);
    status = CHSM_EC_OK;
  }
  OPENSSL_free(der);
  return status;
}


/* Reads a private key in PEM, of which no copy is left here, into a zero-initialised key, which is wiped again where that fails. */
chsm_ec_status chsm_ec_key_read(chsm_ec_key *key, const char *pem, size_t length) {
  chsm_ec_status status = CHSM_EC_UNREADABLE;
  ERR_set_mark();
  BIO *source = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
  if (source) key->key = PEM_read_bio_PrivateKey(source, NULL, no_passphrase, NULL);
  if (key->key) status = read_public(key);
  BIO_free(source);
  ERR_pop_to_mark();
  if (status != CHSM_EC_OK) chsm_ec_key_wipe(key);
  return status;
}


/* Writes both halves of a signature in DER as numbers of one length. */
static chsm_ec_status flatten(const unsigned char *der, size_t length, unsigned char *signature) {
  const BIGNUM *r, *s;
  ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &der, (long)length);
  if (!parsed) return CHSM_EC_FAILED;
  ECDSA_SIG_get0(parsed, &r, &s);
  int fine = BN_bn2binpad(r, signature, CHSM_EC_COORDINATE) == CHSM_EC_COORDINATE &&
             BN_bn2binpad(s, signature + CHSM_EC_COORDINATE, CHSM_EC_COORDINATE) == CHSM_EC_COORDINATE;
  ECDSA_SIG_free(parsed);
  return fine ? CHSM_EC_OK : CHSM_EC_FAILED;
}


/* Signs bytes with ES256 (RFC 7518, section 3.4): ECDSA over their SHA-256, as r and s. */
chsm_ec_status chsm_ec_key_sign(const chsm_ec_key *key, const char *bytes, size_t length, unsigned char signature[CHSM_EC_SIGNATURE]) {
  unsigned char der[MOST_DER];
  size_t size = sizeof der;
  chsm_ec_status status = CHSM_EC_FAILED;
  ERR_set_mark();
  EVP_MD_CTX *work = EVP_MD_CTX_new();
  if (work && EVP_DigestSignInit(work, NULL, EVP_sha256(), NULL, key->key) == 1 &&
      EVP_DigestSign(work, der, &size, (const unsigned char *)bytes, length) == 1)
    status = flatten(der, size, signature);
  EVP_MD_CTX_free(work);
  ERR_pop_to_mark();
  return status;
}


/* Frees the key. Safe to call twice. */
void chsm_ec_key_wipe(chsm_ec_key *key) {
  EVP_PKEY_free(key->key);
  OPENSSL_cleanse(key, sizeof *key);
  key->key = NULL;
}
