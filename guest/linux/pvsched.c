// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows which vCPUs the hypervisor has scheduled out. With PV_SCHED (openEuler's interface) each CPU registers a
 * 64-byte structure that the hypervisor writes. Stock KVM answers the kernel's question for it, SMCCC_ARCH_FEATURES,
 * itself, so this module makes the call, and offers what openEuler's kernel has inside: /sys/kernel/debug/pvsched/preempted
 * has a line "cpuN F" for each online CPU, where F is 1 while that vCPU does not run.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/arm-smccc.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/seq_file.h>

#define PV_SCHED_FEATURES    0xc5000090
#define PV_SCHED_IPA_INIT    0xc5000091
#define PV_SCHED_IPA_RELEASE 0xc5000092

struct pvsched_vcpu_state {
	__le32 preempted;
	u8 padding[60];
} __aligned(64);

static struct pvsched_vcpu_state *states; /* by CPU */
static struct dentry *root;
static int online; /* the state of CPU hotplug that is ours */

static s32 pvsched_call(u32 func, u64 arg)
{
	struct arm_smccc_res res;

	arm_smccc_1_1_invoke(func, arg, &res);
	return res.a0;
}

static int cpu_up(unsigned int cpu)
{
	s32 ret = pvsched_call(PV_SCHED_IPA_INIT, virt_to_phys(&states[cpu]));

	if (ret == SMCCC_RET_SUCCESS)
		return 0;
	pr_err("IPA_INIT on CPU %u returned %d\n", cpu, ret);
	return -EIO;
}

static int cpu_down(unsigned int cpu)
{
	pvsched_call(PV_SCHED_IPA_RELEASE, 0);
	WRITE_ONCE(states[cpu].preempted, 0);
	return 0;
}

static int preempted_show(struct seq_file *s, void *unused)
{
	int cpu;

	for_each_online_cpu(cpu)
		seq_printf(s, "cpu%d %u\n", cpu, le32_to_cpu(READ_ONCE(states[cpu].preempted)));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(preempted);

static size_t size(void)
{
	return nr_cpu_ids * sizeof(*states);
}

static int __init pvsched_init(void)
{
	if (pvsched_call(PV_SCHED_FEATURES, PV_SCHED_IPA_INIT) != SMCCC_RET_SUCCESS)
		return -ENODEV;
	states = alloc_pages_exact(size(), GFP_KERNEL | __GFP_ZERO);
	if (!states)
		return -ENOMEM;
	online = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "hfvmm/pvsched:online", cpu_up, cpu_down);
	if (online < 0) {
		free_pages_exact(states, size());
		return online;
	}
	root = debugfs_create_dir("pvsched", NULL);
	debugfs_create_file("preempted", 0444, root, NULL, &preempted_fops);
	return 0;
}

static void __exit pvsched_exit(void)
{
	debugfs_remove(root);
	cpuhp_remove_state(online);
	free_pages_exact(states, size());
}

module_init(pvsched_init);
module_exit(pvsched_exit);
MODULE_DESCRIPTION("Shows the PV_SCHED flag of each vCPU");
MODULE_LICENSE("GPL");
