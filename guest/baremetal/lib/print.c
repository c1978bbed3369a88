// SPDX-License-Identifier: Apache-2.0
#include "print.h"

#include <stdarg.h>
#include <stdbool.h>

// Where characters go: a buffer, or the console if there is none.
struct sink {
	char *buffer;
	size_t size, length;
};

static void emit(struct sink *s, char c)
{
	if (!s->buffer)
		put_char(c);
	else if (s->length + 1 < s->size)
		s->buffer[s->length++] = c;
}

static void emit_number(struct sink *s, uint64_t v, unsigned base)
{
	char digits[20];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		emit(s, digits[--n]);
}

static void emit_all(struct sink *s, const char *f, va_list args)
{
	for (; *f; f++) {
		if (*f != '%') {
			emit(s, *f);
			continue;
		}
		bool wide = *++f == 'l';
		if (wide)
			f++;
		switch (*f) {
		case 's':
			for (const char *t = va_arg(args, const char *); *t; t++)
				emit(s, *t);
			break;
		case 'c':
			emit(s, (char)va_arg(args, int));
			break;
		case 'd': {
			int64_t v = wide ? va_arg(args, int64_t) : va_arg(args, int32_t);
			if (v < 0)
				emit(s, '-');
			emit_number(s, v < 0 ? -(uint64_t)v : (uint64_t)v, 10);
			break;
		}
		case 'u':
		case 'x':
			emit_number(s, wide ? va_arg(args, uint64_t) : va_arg(args, uint32_t), *f == 'u' ? 10 : 16);
			break;
		default:
			emit(s, *f);
		}
	}
}

void print(const char *f, ...)
{
	struct sink s = { 0 };
	va_list args;

	va_start(args, f);
	emit_all(&s, f, args);
	va_end(args);
}

size_t format(char *buffer, size_t size, const char *f, ...)
{
	struct sink s = { .buffer = buffer, .size = size };
	va_list args;

	va_start(args, f);
	emit_all(&s, f, args);
	va_end(args);
	buffer[s.length] = 0;
	return s.length;
}
