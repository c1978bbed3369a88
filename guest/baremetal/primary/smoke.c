// SPDX-License-Identifier: Apache-2.0
// primary_smoke: says hello and powers off.
#include "scheduler.h"

void main(uint64_t fdt)
{
	uint32_t magic = __builtin_bswap32(load((uint32_t *)fdt));

	print("hello from the primary: EL%lu, FDT at 0x%lx\n", read_sysreg(CurrentEL) >> 2, fdt);
	check(magic == 0xd00dfeed, "FDT magic 0x%x", magic);
	pass();
}
