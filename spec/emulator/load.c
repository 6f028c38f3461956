/* Load for `make bench-emulator`: sends the same bytes over some kept connections, each as soon as its answer is whole, and counts.
   Usage: load PORT CONNECTIONS SECONDS FILE        (127.0.0.1; FILE holds one request as it goes over the wire)
   Prints `answers seconds`; ends with 1, and says why, at the first answer that is not 200 or an error of a connection. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MOST = 256, REQUEST_MOST = 65536, ANSWER_MOST = 262144, HEAD_MOST = 65536 };

typedef struct connection {
  size_t length; /* of what came of the answer */
  size_t whole;  /* of the answer; 0: not known yet */
  char answer[ANSWER_MOST];
} connection;


static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}


static int complain(const char *what) {
  fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
  return 1;
}


static int open_connection(int port) {
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  if (descriptor < 0) return -1;
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
  close(descriptor);
  return -1;
}


/* The length of the answer whose head has come; 0 while it has not, or when it does not say. */
static size_t whole_length(connection *from) {
  from->answer[from->length] = '\0';
  const char *end = strstr(from->answer, "\r\n\r\n");
  const char *length = strstr(from->answer, "\r\ncontent-length: ");
  if (!end || !length || length > end) return 0;
  return (size_t)(end + 4 - from->answer) + (size_t)strtoul(length + strlen("\r\ncontent-length: "), NULL, 10);
}


/* Takes what has come. Answers 1 when the answer is whole, 0 while it is not, -1 when it is not the one wanted. */
static int take(int descriptor, connection *into) {
  ssize_t count = recv(descriptor, into->answer + into->length, ANSWER_MOST - 1 - into->length, 0);
  if (count <= 0) return -1;
  into->length += (size_t)count;
  if (!into->whole) into->whole = whole_length(into);
  if (!into->whole) return into->length < HEAD_MOST ? 0 : -1;
  if (into->length < into->whole) return into->length < ANSWER_MOST - 1 ? 0 : -1;
  if (strncmp(into->answer, "HTTP/1.1 200 ", strlen("HTTP/1.1 200 ")) != 0) return -1;
  into->length = into->whole = 0;
  return 1;
}


int main(int count, char **arguments) {
  static connection connections[CONNECTIONS_MOST];
  static char request[REQUEST_MOST];
  struct pollfd descriptors[CONNECTIONS_MOST];
  if (count != 5) return complain("usage: load PORT CONNECTIONS SECONDS FILE");
  int port = atoi(arguments[1]), open = atoi(arguments[2]);
  double seconds = atof(arguments[3]);
  if (open < 1 || open > CONNECTIONS_MOST) return complain("too many connections, or none");
  FILE *file = fopen(arguments[4], "rb");
  if (!file) return complain(arguments[4]);
  size_t length = fread(request, 1, sizeof request, file);
  fclose(file);

  for (int i = 0; i < open; i++) {
    descriptors[i] = (struct pollfd) { .fd = open_connection(port), .events = POLLIN };
    if (descriptors[i].fd < 0) return complain("cannot connect");
    if (send(descriptors[i].fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) return complain("cannot send");
  }
  unsigned long answers = 0;
  double start = now(), end = start + seconds, time = start;
  for (; time < end; time = now()) {
    if (poll(descriptors, (nfds_t)open, 1000) < 0) return complain("poll");
    for (int i = 0; i < open; i++) {
      if (!descriptors[i].revents) continue;
      int state = take(descriptors[i].fd, &connections[i]);
      if (state < 0) {
        fprintf(stderr, "%.*s\n", 2000, connections[i].answer);
        errno = 0;
        return complain("an answer that is not wanted, or none");
      }
      if (state == 0) continue;
      answers++;
      if (send(descriptors[i].fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) return complain("cannot send");
    }
  }
  printf("%lu %.3f\n", answers, time - start);
  return 0;
}
