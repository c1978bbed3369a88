// SPDX-License-Identifier: Apache-2.0
#include "registers.h"

#include "print.h"
#include "random.h"

uint32_t kept_calls(const struct kept_call *calls, uint32_t count, char *text, size_t size)
{
	uint32_t good = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct kept_call *c = &calls[i];
		uint64_t before[31], x[31], state = random_seed(i);

		for (uint32_t n = 0; n < 31; n++)
			before[n] = random_next(&state);
		before[0] = c->fn;
		for (uint32_t n = 0; n < 4; n++)
			before[1 + n] = c->args[n] ? c->args[n] : before[1 + n];
		for (uint32_t n = 0; n < 31; n++)
			x[n] = before[n];
		(c->smc ? call_all_smc : call_all_hvc)(x);

		uint32_t changed = 0;

		for (uint32_t n = 1; n < 31; n++)
			changed |= x[n] != before[n] ? 1u << n : 0;
		if ((c->x0 == ANY_X0 || x[0] == c->x0) && !(changed & ~c->may_change))
			good++;
		else if (!text[0])
			format(text, size, "0x%lx by %s: x0 0x%lx, changed 0x%x", c->fn, c->smc ? "SMC" : "HVC", x[0], changed);
	}
	return good;
}

// Of allregs.S.
void simd_load(const uint64_t q[64], uint64_t fpcr, uint64_t fpsr);
void simd_store(uint64_t q[64]);

// Bits that every processor has: rounding and flush to zero; cumulative exceptions and QC.
#define FPCR_BITS 0x03c00000u
#define FPSR_BITS 0x0800009fu

void simd_enable(void)
{
	write_sysreg(cpacr_el1, 3ul << 20);
	isb();
}

static void expected(uint64_t seed, uint64_t q[64], uint64_t *fpcr, uint64_t *fpsr)
{
	uint64_t state = random_seed(seed);

	for (uint32_t i = 0; i < 64; i++)
		q[i] = random_next(&state);
	*fpcr = random_next(&state) & FPCR_BITS;
	*fpsr = random_next(&state) & FPSR_BITS;
}

void simd_fill(uint64_t seed)
{
	uint64_t q[64] __attribute__((aligned(16))), fpcr, fpsr;

	expected(seed, q, &fpcr, &fpsr);
	simd_load(q, fpcr, fpsr);
}

uint32_t simd_differs(uint64_t seed)
{
	uint64_t want[64], got[64] __attribute__((aligned(16))), fpcr, fpsr;
	uint32_t bad = 0;

	simd_store(got);
	expected(seed, want, &fpcr, &fpsr);
	for (uint32_t i = 0; i < 32; i++)
		bad += got[2 * i] != want[2 * i] || got[2 * i + 1] != want[2 * i + 1];
	bad += (uint64_t)read_sysreg(S3_3_C4_C4_0) != fpcr;
	bad += (uint64_t)read_sysreg(S3_3_C4_C4_1) != fpsr;
	return bad;
}
