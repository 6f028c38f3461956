#include "versions.h"

#include <string.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

enum { CIDR_SINCE = 0x075600, HOOK_SINCE = 0x075000 };


/* The version alone, of a text such as "OpenSSL 1.1.1n  15 Mar 2022": only OpenSSL 3 can be asked for less than that. */
static void write_openssl(char text[CHSM_VERSIONS_TEXT]) {
  const char *whole = OpenSSL_version(OPENSSL_VERSION);
  const char *blank = strchr(whole, ' ');
  const char *from = blank ? blank + 1 : whole;
  size_t length = strcspn(from, " ");
  if (length >= CHSM_VERSIONS_TEXT) length = CHSM_VERSIONS_TEXT - 1;
  memcpy(text, from, length);
  text[length] = '\0';
}


chsm_versions chsm_versions_of(void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  chsm_versions versions = { .libcurl = info->version,
                             .tls = info->ssl_version,
                             .resolver = (info->features & CURL_VERSION_ASYNCHDNS) != 0,
                             .https_proxy = (info->features & CURL_VERSION_HTTPS_PROXY) != 0,
                             .ipv6 = (info->features & CURL_VERSION_IPV6) != 0,
                             .no_proxy_networks = info->version_num >= CIDR_SINCE,
                             /* the headers that this was built with had to know it, too */
                             .hook = LIBCURL_VERSION_NUM >= HOOK_SINCE && info->version_num >= HOOK_SINCE };
#if LIBCURL_VERSION_NUM >= 0x074600
  if (info->age >= CURLVERSION_SEVENTH) versions.ca_file = info->cainfo;
#endif
  write_openssl(versions.openssl);
  return versions;
}
