// SPDX-License-Identifier: Apache-2.0
#include "suite.h"

#include "fdt.h"

// One entry of the linker's table of tests. Each field is a distance from itself, so that it needs no
// relocation.
struct test {
	int32_t suite, name, machine, run;
};

extern const struct test tests_begin[], tests_end[];

static const void *at(const int32_t *field)
{
	return (const char *)field + *field;
}

// Takes a word off the front of text. True if it is this one.
static bool take(const char **text, const char *word)
{
	size_t n = strlen(word);

	while (**text == ' ')
		(*text)++;
	for (size_t i = 0; i < n; i++) {
		if ((*text)[i] != word[i])
			return false;
	}
	if ((*text)[n] && (*text)[n] != ' ')
		return false;
	*text += n;
	return true;
}

static void list(void)
{
	for (const struct test *t = tests_begin; t < tests_end; t++)
		print("%s %s %s\n", (const char *)at(&t->suite), (const char *)at(&t->name), (const char *)at(&t->machine));
}

static void run(const char *args)
{
	for (const struct test *t = tests_begin; t < tests_end; t++) {
		const char *left = args;

		if (take(&left, at(&t->suite)) && take(&left, at(&t->name)) && !*left) {
			((void (*)(void))(uintptr_t)at(&t->run))();
			pass();
		}
	}
	check(false, "no test \"%s\" here", args);
}

void main(uint64_t fdt)
{
	const char *args = fdt_bootargs(fdt);

	if (take(&args, "run"))
		run(args);
	check(take(&args, "list"), "bootargs \"%s\" are neither \"list\" nor \"run SUITE TEST\"", args);
	list();
	die();
}
