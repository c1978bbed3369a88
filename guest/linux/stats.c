// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs: /sys/kernel/debug/hfvmm/stats is the sum over all VMs, hfvmm/hfN/stats is one VM, a line "name value"
 * each. Writing "VCPU INTID" to hfvmm/hfN/inject injects an interrupt.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "hfvmm.h"

static struct dentry *root;

static const char *const names[HF_STATS] = {
	[HF_MSG_TO] = "messages_to_vm",
	[HF_BYTES_TO] = "bytes_to_vm",
	[HF_MSG_FROM] = "messages_from_vm",
	[HF_BYTES_FROM] = "bytes_from_vm",
	[HF_MSG_BETWEEN] = "messages_to_other_vms",
	[HF_SEND_BUSY] = "send_busy",
	[HF_DROPPED] = "messages_dropped",
	[HF_NOTIFIED] = "writable_notifications",
	[HF_INJECTED] = "interrupts_injected",
	[HF_RUN] = "run",
	[HF_RUN_INTERRUPT] = "run_interrupt",
	[HF_RUN_YIELD] = "run_yield",
	[HF_RUN_MSG_WAIT] = "run_msg_wait",
	[HF_RUN_WAIT_FOR_INTERRUPT] = "run_wait_for_interrupt",
	[HF_RUN_MSG_SEND] = "run_msg_send",
	[HF_RUN_RX_RELEASE] = "run_rx_release",
	[HF_RUN_WAKE_UP] = "run_wake_up",
	[HF_RUN_ABORTED] = "run_aborted",
	[HF_RUN_ERROR] = "run_error",
	[HF_RUN_NS] = "run_ns",
};

static int vm_stats_show(struct seq_file *s, void *unused)
{
	struct hf_vm *vm = s->private;
	int i;

	seq_printf(s, "vcpus %u\ndead %u\n", vm->vcpu_count, READ_ONCE(vm->dead));
	for (i = 0; i < HF_STATS; i++)
		seq_printf(s, "%s %lld\n", names[i], atomic64_read(&vm->stats[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm_stats);

static int all_stats_show(struct seq_file *s, void *unused)
{
	u32 vcpus = 0, dead = 0;
	u16 v;
	int i;

	for (v = 0; v < hf->vm_count; v++) {
		vcpus += hf->vms[v]->vcpu_count;
		dead += READ_ONCE(hf->vms[v]->dead);
	}
	seq_printf(s, "vms %u\nvcpus %u\ndead %u\n", hf->vm_count, vcpus, dead);
	for (i = 0; i < HF_STATS; i++) {
		s64 sum = 0;

		for (v = 0; v < hf->vm_count; v++)
			sum += atomic64_read(&hf->vms[v]->stats[i]);
		seq_printf(s, "%s %lld\n", names[i], sum);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(all_stats);

static ssize_t inject_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	struct hf_vm *vm = file->private_data;
	unsigned int vcpu, intid;
	char text[32];
	int ret;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = 0;
	if (sscanf(text, "%u %u", &vcpu, &intid) != 2 || vcpu >= vm->vcpu_count || intid >= HF_INTIDS)
		return -EINVAL;
	ret = hf_inject(vm, vcpu, intid);
	return ret ?: count;
}

static const struct file_operations inject_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = inject_write,
};

void hf_add_stats(void)
{
	struct dentry *dir;
	u16 v;

	root = debugfs_create_dir("hfvmm", NULL);
	debugfs_create_file("stats", 0444, root, NULL, &all_stats_fops);
	for (v = 0; v < hf->vm_count; v++) {
		dir = debugfs_create_dir(hf->vms[v]->name, root);
		debugfs_create_file("stats", 0444, dir, hf->vms[v], &vm_stats_fops);
		debugfs_create_file("inject", 0200, dir, hf->vms[v], &inject_fops);
	}
}

void hf_remove_stats(void)
{
	debugfs_remove(root);
}
