// SPDX-License-Identifier: Apache-2.0
#include "gicv3.h"

#include "cpu.h"

#define GICD_CTLR       0x08000000ul

// Of the redistributor of this CPU, whose affinity is its number.
#define REDISTRIBUTOR   (0x080a0000ul + 0x20000 * (read_sysreg(mpidr_el1) & 0xff))
#define GICR_WAKER      (REDISTRIBUTOR + 0x14)
#define GICR_IGROUPR0   (REDISTRIBUTOR + 0x10080)
#define GICR_ISENABLER0 (REDISTRIBUTOR + 0x10100)
#define GICR_IPRIORITYR (REDISTRIBUTOR + 0x10400)

#define WAKER_PROCESSOR_SLEEP  (1u << 1)
#define WAKER_CHILDREN_ASLEEP  (1u << 2)
#define CTLR_ENABLE_GROUP1_ARE (1u << 4 | 1u << 1)

#define ICC_PMR     s3_0_c4_c6_0
#define ICC_IAR1    s3_0_c12_c12_0
#define ICC_EOIR1   s3_0_c12_c12_1
#define ICC_SGI1R   s3_0_c12_c11_5
#define ICC_SRE     s3_0_c12_c12_5
#define ICC_IGRPEN1 s3_0_c12_c12_7

#define read_icc(r)     read_named(r)
#define write_icc(r, v) write_named(r, v)
#define read_named(r)   read_sysreg(r)
#define write_named(r, v) write_sysreg(r, v)

void gic_enable_private(uint32_t intid)
{
	store((uint32_t *)GICD_CTLR, CTLR_ENABLE_GROUP1_ARE);
	store((uint32_t *)GICR_WAKER, load((uint32_t *)GICR_WAKER) & ~WAKER_PROCESSOR_SLEEP);
	while (load((uint32_t *)GICR_WAKER) & WAKER_CHILDREN_ASLEEP)
		;
	store((uint32_t *)GICR_IGROUPR0, ~0u);
	store((uint8_t *)(GICR_IPRIORITYR + intid), 0x80);
	store((uint32_t *)GICR_ISENABLER0, 1u << intid);

	write_icc(ICC_SRE, 1);
	isb();
	write_icc(ICC_PMR, 0xff);
	write_icc(ICC_IGRPEN1, 1);
	isb();
}

uint32_t gic_acknowledge(void)
{
	return (uint32_t)read_icc(ICC_IAR1);
}

void gic_end(uint32_t intid)
{
	write_icc(ICC_EOIR1, intid);
	isb();
}

void gic_signal(uint32_t cpus, uint32_t intid)
{
	asm volatile("dsb ishst" ::: "memory"); // what was stored before is seen by who takes it
	write_icc(ICC_SGI1R, (uint64_t)intid << 24 | cpus);
	isb();
}
