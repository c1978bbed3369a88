// SPDX-License-Identifier: Apache-2.0
// The processor: system registers, waiting, other vCPUs.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define read_sysreg(name)                                           \
	({                                                          \
		uint64_t v_;                                        \
		asm volatile("mrs %0, " #name : "=r"(v_)::"memory"); \
		v_;                                                 \
	})

#define write_sysreg(name, value) \
	asm volatile("msr " #name ", %0" ::"r"((uint64_t)(value)) : "memory")

#define TIMER_ENABLE 1u
#define TIMER_IMASK  2u
#define TIMER_ISTATUS 4u

static inline void isb(void)
{
	asm volatile("isb" ::: "memory");
}

static inline void dmb(void)
{
	asm volatile("dmb ish" ::: "memory");
}

static inline void wfi(void)
{
	asm volatile("dsb sy; wfi" ::: "memory");
}

static inline void irq_unmask(void)
{
	asm volatile("msr daifclr, #2" ::: "memory");
}

static inline void irq_mask(void)
{
	asm volatile("msr daifset, #2" ::: "memory");
}

static inline uint64_t counter(void)
{
	isb();
	return read_sysreg(cntvct_el0);
}

static inline uint64_t us_to_ticks(uint64_t us)
{
	return us * read_sysreg(cntfrq_el0) / 1000000;
}

static inline uint64_t ticks_to_ns(uint64_t ticks)
{
	return ticks * (1000000000 / 1000) / (read_sysreg(cntfrq_el0) / 1000);
}

// Sets the virtual timer of this vCPU to fire when the counter reaches deadline.
static inline void timer_set(uint64_t deadline)
{
	write_sysreg(cntv_cval_el0, deadline);
	write_sysreg(cntv_ctl_el0, TIMER_ENABLE);
	isb();
}

static inline void timer_off(void)
{
	write_sysreg(cntv_ctl_el0, 0);
	isb();
}

// One load or store, whatever the compiler thinks of it. For memory that another vCPU or a device
// reads or writes.
#define load(p)     (*(volatile typeof(*(p)) *)(p))
#define store(p, v) (*(volatile typeof(*(p)) *)(p) = (v))

// What cpu_entry of start.S takes in x0, where a vCPU other than the first starts: it calls fn(arg).
struct cpu_boot {
	uintptr_t stack_top;
	void (*fn)(uint64_t);
	uint64_t arg;
};

// How many vCPUs of a VM cpu_on has stacks for.
#define MAX_CPUS 8u

// The index of this vCPU in its VM.
static inline uint32_t cpu_index(void)
{
	return (uint32_t)read_sysreg(mpidr_el1) & 0xff;
}

// cpu_on starts another vCPU of this VM in fn(arg), on its own stack. target is what PSCI CPU_ON of
// the role wants: an MPIDR in a primary, an index in a secondary; with less than 16 vCPUs that is the same.
// Returns the PSCI result.
int64_t cpu_on(uint64_t target, void (*fn)(uint64_t), uint64_t arg);

// Switches this vCPU off.
_Noreturn void cpu_off(void);

// What PSCI AFFINITY_INFO says of target at level 0.
int64_t cpu_state(uint64_t target);

#define CPU_IS_ON  0
#define CPU_IS_OFF 1

#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_DENIED             (-3)
#define PSCI_ALREADY_ON         (-4)
#define PSCI_INVALID_ADDRESS    (-9)
