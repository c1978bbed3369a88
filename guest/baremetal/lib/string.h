// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdbool.h>
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

// Whether two texts are the same.
bool same(const char *a, const char *b);

// Reads a decimal number at *p and moves *p past it and the blanks before it. Stops at end.
unsigned long read_number(const char **p, const char *end);
