// Owns connecting to Valkey.
#ifndef VALKEY_H
#define VALKEY_H

int valkey_connect(int port, const char *password); // the descriptor; without a password where it is empty

#endif
