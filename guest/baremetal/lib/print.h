// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

// Writes one character to the console of the role: a primary's PL011, a secondary's debug log.
void put_char(char c);

// A printf of %s %c %d %u %x %% and, for 64 bits, %ld %lu %lx.
__attribute__((format(printf, 1, 2))) void print(const char *format, ...);

// The same into a buffer of size bytes, always terminated. Returns the length of what is in it.
__attribute__((format(printf, 3, 4))) size_t format(char *buffer, size_t size, const char *format, ...);
