/*
** XAES-256-GCM (C2SP) for the pages of SQLite, over AWS-LC. The format is described in src/lib.rs.
**
** Rules of this file: every length is a constant or checked before use; nothing is allocated but the state; a page that
** cannot be sealed is wiped, because SQLite would write the buffer all the same.
*/
#include <string.h>

#include <openssl/aead.h>
#include <openssl/aes.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include "sqlite3mc_amalgamation.h"

#define KEY 32
#define NONCE 24
#define TAG 16
#define RESERVED (TAG + NONCE)
#define MAGIC 16
/* Of page 1: what SQLite must read before it has a key. */
#define CLEAR 24

static const unsigned char MAGIC_OURS[MAGIC] = {'v', 'o', 'u', 'c', 'h', 's', 'a', 'f', 'e', ' ', 'p', 'a', 'g', 'e', ' ', '1'};
static const char MAGIC_SQLITE[MAGIC] = "SQLite format 3";

typedef struct State {
  int keyed;
  AES_KEY mac;               /* the key's schedule, for the two CMACs of XAES */
  unsigned char k1[16];      /* CMAC's first subkey */
  unsigned char magic[MAGIC];
} State;

static void *state_new(sqlite3 *db) {
  State *state = sqlite3_malloc(sizeof(State));
  (void)db;
  if (state != NULL) {
    memset(state, 0, sizeof(State));
    memcpy(state->magic, MAGIC_OURS, MAGIC);
  }
  return state;
}

static void state_free(void *cipher) {
  if (cipher != NULL) {
    OPENSSL_cleanse(cipher, sizeof(State));
    sqlite3_free(cipher);
  }
}

static void state_copy(void *to, void *from) { memcpy(to, from, sizeof(State)); }

static int not_legacy(void *cipher) {
  (void)cipher;
  return 0;
}

/* No wish of ours: SQLite's default, which build.rs also makes the largest. */
static int page_size(void *cipher) {
  (void)cipher;
  return 0;
}

static int reserved_bytes(void *cipher) {
  (void)cipher;
  return RESERVED;
}

static unsigned char *magic(void *cipher) { return ((State *)cipher)->magic; }

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* Takes `raw:` and 64 lower-case hex digits; with anything else no page opens and none is written. */
static void set_key(void *cipher, char *given, int length, int rekey, unsigned char *salt) {
  State *state = cipher;
  unsigned char key[KEY], zero[16] = {0}, l[16];
  int i, ok = length == 4 + 2 * KEY && memcmp(given, "raw:", 4) == 0;
  (void)rekey;
  (void)salt;
  state->keyed = 0;
  for (i = 0; ok && i < KEY; i++) {
    int high = digit(given[4 + 2 * i]), low = digit(given[5 + 2 * i]);
    ok = high >= 0 && low >= 0;
    key[i] = (unsigned char)(ok ? high << 4 | low : 0);
  }
  if (ok && AES_set_encrypt_key(key, 8 * KEY, &state->mac) == 0) {
    AES_encrypt(zero, l, &state->mac);
    /* NIST SP 800-38B: L doubled in GF(2^128). */
    for (i = 0; i < 16; i++) {
      state->k1[i] = (unsigned char)(l[i] << 1 | (i < 15 ? l[i + 1] >> 7 : 0));
    }
    state->k1[15] ^= (unsigned char)(0x87 & -(l[0] >> 7));
    state->keyed = 1;
  }
  OPENSSL_cleanse(key, sizeof key);
  OPENSSL_cleanse(l, sizeof l);
}

/* The AES-256-GCM context of one message. */
static int message(const State *state, const unsigned char nonce[NONCE], EVP_AEAD_CTX *context) {
  unsigned char key[KEY], block[16];
  int half, i, ok;
  for (half = 0; half < 2; half++) {
    memset(block, 0, 4);
    block[1] = (unsigned char)(half + 1);
    block[2] = 'X';
    memcpy(block + 4, nonce, 12);
    for (i = 0; i < 16; i++) block[i] ^= state->k1[i];
    AES_encrypt(block, key + 16 * half, &state->mac);
  }
  ok = EVP_AEAD_CTX_init(context, EVP_aead_aes_256_gcm(), key, KEY, TAG, NULL);
  OPENSSL_cleanse(key, sizeof key);
  OPENSSL_cleanse(block, sizeof block);
  return ok;
}

/* Associated data; `page` is the page as it is stored. */
static size_t place(int number, const unsigned char *page, unsigned char out[4 + CLEAR]) {
  unsigned int n = (unsigned int)number;
  out[0] = (unsigned char)(n >> 24);
  out[1] = (unsigned char)(n >> 16);
  out[2] = (unsigned char)(n >> 8);
  out[3] = (unsigned char)n;
  if (number != 1) return 4;
  memcpy(out + 4, page, CLEAR);
  return 4 + CLEAR;
}

static int sound(const State *state, int length, int reserved) {
  return state->keyed && reserved == RESERVED && length >= 512;
}

static int seal_page(void *cipher, int number, unsigned char *page, int length, int reserved) {
  const State *state = cipher;
  EVP_AEAD_CTX context;
  unsigned char where[4 + CLEAR];
  int done = 0, start = number == 1 ? CLEAR : 0, end = length - RESERVED;
  if (sound(state, length, reserved) && RAND_bytes(page + end + TAG, NONCE)) {
    const unsigned char *nonce = page + end + TAG;
    if (message(state, nonce, &context)) {
      size_t tag = 0;
      if (number == 1) memcpy(page, MAGIC_OURS, MAGIC);
      done = EVP_AEAD_CTX_seal_scatter(&context, page + start, page + end, &tag, TAG, nonce + 12, 12, page + start,
                                       (size_t)(end - start), NULL, 0, where, place(number, page, where)) &&
             tag == TAG;
      EVP_AEAD_CTX_cleanup(&context);
    }
  }
  if (!done) {
    memset(page, 0, (size_t)length);
    return SQLITE_IOERR;
  }
  return SQLITE_OK;
}

static int open_page(void *cipher, int number, unsigned char *page, int length, int reserved, int check) {
  const State *state = cipher;
  EVP_AEAD_CTX context;
  unsigned char where[4 + CLEAR];
  int done = 0, start = number == 1 ? CLEAR : 0, end = length - RESERVED;
  (void)check; /* it cannot be switched off */
  if (sound(state, length, reserved) && (number != 1 || memcmp(page, MAGIC_OURS, MAGIC) == 0)) {
    const unsigned char *nonce = page + end + TAG;
    if (message(state, nonce, &context)) {
      done = EVP_AEAD_CTX_open_gather(&context, page + start, nonce + 12, 12, page + start, (size_t)(end - start),
                                      page + end, TAG, where, place(number, page, where));
      EVP_AEAD_CTX_cleanup(&context);
    }
  }
  if (!done) return number == 1 ? SQLITE_NOTADB : SQLITE_CORRUPT;
  if (number == 1) memcpy(page, MAGIC_SQLITE, MAGIC);
  return SQLITE_OK;
}

/* Called once, when SQLite is initialised: the cipher becomes the one that a key selects. */
int vouchsafe_cipher(const char *unused);
int vouchsafe_cipher(const char *unused) {
  static const CipherDescriptor cipher = {"xaes256gcm", state_new,      state_free, state_copy, not_legacy, page_size,
                                          reserved_bytes, magic,        set_key,    seal_page,  open_page};
  static const CipherParams none[] = {{"", 0, 0, 0, 0}};
  (void)unused;
  return sqlite3mc_register_cipher(&cipher, none, 1);
}
