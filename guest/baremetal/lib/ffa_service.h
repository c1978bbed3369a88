// SPDX-License-Identifier: Apache-2.0
// How services of FF-A 1.2 begin, and what they do when a call fails that must not.
#pragma once

#include "ffa.h"
#include "guest.h"

// Ends the VM unless a result is fn.
static inline void ffa_expect(const char *what, struct ffa_regs r, uint32_t fn)
{
	if (ffa_func(&r) != fn) {
		print("FAIL %s: 0x%lx %d\n", what, r.x[0], ffa_errno(&r));
		die();
	}
}

// Agrees on the version, registers tx and rx, and returns the id of this partition.
static inline uint16_t ffa_start(void)
{
	ffa_expect("version", ffa_call(FFA_VERSION, FFA_VERSION_1_2, 0, 0, 0), FFA_VERSION_1_2);
	ffa_expect("map", ffa_call(FFA_RXTX_MAP, (uintptr_t)tx, (uintptr_t)rx, 1, 0), FFA_SUCCESS);
	return (uint16_t)ffa_call(FFA_ID_GET, 0, 0, 0, 0).x[2];
}
