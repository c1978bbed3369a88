// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/hfN is the mailbox of VM N. A write is a message, a read is a message; both block unless O_NONBLOCK.
 *
 *   EMSGSIZE  write: more than 4096 bytes; read: the message is larger than the buffer, and stays
 *   EAGAIN    O_NONBLOCK: the mailbox of the VM is full; there is no message
 *   EPIPE     the VM aborted, and what it sent before has been read. In the interface of January 2019 nobody is told
 *             that a VM aborted: its mailbox stays full, and no message comes
 *   ENOENT, ENODEV (from open)  there is no such VM
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "hfvmm.h"

static struct hf_vm *to_vm(struct file *file)
{
	return container_of(file->private_data, struct hf_vm, misc);
}

static ssize_t hf_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	struct hf_vm *vm = to_vm(file);
	void *data;
	int ret;

	if (count > HF_MSG_MAX)
		return -EMSGSIZE;
	data = memdup_user(buf, count);
	if (IS_ERR(data))
		return PTR_ERR(data);

	while ((ret = hf_send(vm, data, count)) == -EAGAIN && !(file->f_flags & O_NONBLOCK)) {
		ret = wait_event_interruptible(vm->write_wait, READ_ONCE(vm->writable) || READ_ONCE(vm->dead));
		if (ret)
			break;
	}
	kfree(data);
	return ret ?: count;
}

static bool readable(struct hf_vm *vm)
{
	return READ_ONCE(vm->queued) || READ_ONCE(vm->dead);
}

/* Takes the first message off the queue if it fits. */
static struct hf_message *take(struct hf_vm *vm, size_t space)
{
	struct hf_message *m;

	spin_lock(&vm->lock);
	m = list_first_entry_or_null(&vm->queue, struct hf_message, link);
	if (!m) {
		m = ERR_PTR(READ_ONCE(vm->dead) ? -EPIPE : -EAGAIN);
	} else if (m->size > space) {
		m = ERR_PTR(-EMSGSIZE);
	} else {
		list_del(&m->link);
		vm->queued--;
	}
	spin_unlock(&vm->lock);
	return m;
}

static ssize_t hf_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct hf_vm *vm = to_vm(file);
	struct hf_message *m;
	ssize_t ret;

	while (IS_ERR(m = take(vm, count))) {
		ret = PTR_ERR(m);
		if (ret != -EAGAIN || file->f_flags & O_NONBLOCK)
			return ret;
		ret = wait_event_interruptible(vm->read_wait, readable(vm));
		if (ret)
			return ret;
	}
	wake_up_interruptible(&vm->space_wait);
	ret = copy_to_user(buf, m->data, m->size) ? -EFAULT : m->size;
	kfree(m);
	return ret;
}

static __poll_t hf_poll(struct file *file, poll_table *wait)
{
	struct hf_vm *vm = to_vm(file);
	__poll_t events = 0;

	poll_wait(file, &vm->read_wait, wait);
	poll_wait(file, &vm->write_wait, wait);
	if (READ_ONCE(vm->queued))
		events |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(vm->dead))
		events |= EPOLLERR | EPOLLHUP;
	else if (READ_ONCE(vm->writable))
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

static const struct file_operations hf_fops = {
	.owner = THIS_MODULE,
	.read = hf_read,
	.write = hf_write,
	.poll = hf_poll,
	/* misc_open puts the device into private_data. */
};

int hf_add_device(struct hf_vm *vm)
{
	snprintf(vm->name, sizeof(vm->name), "hf%u", vm->id);
	vm->misc = (struct miscdevice){
		.minor = MISC_DYNAMIC_MINOR,
		.name = vm->name,
		.fops = &hf_fops,
		.mode = 0600,
	};
	return misc_register(&vm->misc);
}

void hf_remove_device(struct hf_vm *vm)
{
	misc_deregister(&vm->misc);
}
