// SPDX-License-Identifier: Apache-2.0
#include "fdt.h"

#include "cpu.h"
#include "string.h"

#define FDT_MAGIC      0xd00dfeedu
#define FDT_BEGIN_NODE 1u
#define FDT_END_NODE   2u
#define FDT_PROP       3u
#define FDT_NOP        4u

// Offsets into the header.
#define OFF_STRUCT  8u
#define OFF_STRINGS 12u

static uint32_t big32(uint64_t address)
{
	return __builtin_bswap32(load((uint32_t *)address));
}

static uint64_t align4(uint64_t v)
{
	return (v + 3) & ~3ul;
}

const char *fdt_bootargs(uint64_t fdt)
{
	if (big32(fdt) != FDT_MAGIC)
		return "";
	const char *strings = (const char *)fdt + big32(fdt + OFF_STRINGS);
	uint32_t depth = 0;
	bool chosen = false;

	for (uint64_t at = fdt + big32(fdt + OFF_STRUCT);;) {
		uint32_t token = big32(at);

		at += 4;
		switch (token) {
		case FDT_BEGIN_NODE:
			chosen = ++depth == 2 && same((const char *)at, "chosen");
			at = align4(at + strlen((const char *)at) + 1);
			break;
		case FDT_END_NODE:
			depth--;
			chosen = false;
			break;
		case FDT_PROP:
			if (chosen && same(strings + big32(at + 4), "bootargs"))
				return (const char *)at + 8;
			at = align4(at + 8 + big32(at));
			break;
		case FDT_NOP:
			break;
		default: // FDT_END
			return "";
		}
	}
}
