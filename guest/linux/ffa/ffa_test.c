// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tries FF-A from inside Linux, as any driver on the kernel's own FF-A bus does, against the bare-metal partition
 * ffa_server. Each of those has a folder /sys/kernel/debug/ffa_test/ID. Writing to a file there is a test, which fails
 * with EPROTO and a line in the log:
 *
 *   direct   "N"            makes N direct requests
 *   direct2  "N"            the same of the second generation, with 14 registers
 *   share    "RANGES PAGES" shares so many ranges of so many pages each, lets the partition add up and invert a word
 *                           of each cache line, and reclaims them. PAGES is a power of two
 *   lend     "RANGES PAGES" the same with memory that Linux cannot touch meanwhile
 *   notified "N"            lets the partition send N notifications, each after the one before arrived
 *   notify   "N"            sends N notifications to the partition and asks it for each
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/arm_ffa.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* Jobs of ffa_server. */
enum job { ECHO, MEMORY, NOTIFY, NOTIFIED, BIND };

#define IDS      8 /* notifications that are used with each partition */
#define SERVERS  (64 / IDS)
#define PATIENCE (60 * HZ) /* everything may be emulated */

struct server {
	struct ffa_device *dev;
	struct dentry *root;
	struct mutex lock; /* one test at a time */
	bool listening, bound;
	int first; /* of its notifications: the kernel's FF-A driver wants them to differ from those of others */
	struct completion arrived;
	int last; /* notification that arrived */
};

static struct dentry *root;
static unsigned int servers; /* so far; the bus probes one after the other */

static int request(struct server *s, enum job job, struct ffa_send_direct_data *data)
{
	int ret;

	data->data0 = job;
	ret = s->dev->ops->msg_ops->sync_send_receive(s->dev, data);
	if (ret)
		pr_err("request %d: %d\n", job, ret);
	else if (data->data0)
		pr_err("request %d: the partition says %ld\n", job, (long)data->data0);
	return ret ?: data->data0 ? -EPROTO : 0;
}

static int direct(struct server *s, u32 n)
{
	struct ffa_send_direct_data d;
	int ret = 0;
	u64 i;

	for (i = 0; i < n && !ret; i++) {
		u64 seed = i * 0x123456789abcdefull;

		d = (struct ffa_send_direct_data){ 0, seed, ~seed, seed << 1, seed >> 1 };
		ret = request(s, ECHO, &d);
		if (!ret && (d.data1 != seed || d.data2 != ~seed || d.data3 != seed << 1 || d.data4 != seed >> 1)) {
			pr_err("direct request %llu came back changed\n", i);
			ret = -EPROTO;
		}
		cond_resched();
	}
	return ret;
}

static int direct2(struct server *s, u32 n)
{
	struct ffa_send_direct_data2 d;
	int ret = 0, j;
	u64 i;

	for (i = 0; i < n && !ret; i++) {
		for (j = 0; j < ARRAY_SIZE(d.data); j++)
			d.data[j] = j * (i + 1) * 0x123456789abcdefull; /* the first one, the job, is 0 */
		ret = s->dev->ops->msg_ops->sync_send_receive2(s->dev, &d);
		for (j = 0; j < ARRAY_SIZE(d.data) && !ret; j++)
			if (d.data[j] != j * (i + 1) * 0x123456789abcdefull) {
				pr_err("register %d of request %llu came back changed\n", j + 4, i);
				ret = -EPROTO;
			}
		cond_resched();
	}
	return ret;
}

/* One word of each cache line is looked at. */
#define STRIDE 8

static u64 fill(u64 *p, size_t words, u64 seed)
{
	u64 sum = 0;
	size_t i;

	for (i = 0; i < words; i += STRIDE)
		sum += p[i] = seed + i * 0x9e3779b97f4a7c15ull;
	return sum;
}

static bool inverted(const u64 *p, size_t words, u64 seed)
{
	size_t i;

	for (i = 0; i < words; i += STRIDE)
		if (p[i] != ~(seed + i * 0x9e3779b97f4a7c15ull))
			return false;
	return true;
}

/* Shares or lends what is in sg, and lets the partition work on it. reclaimed tells whether it is Linux's own again. */
static int transfer(struct server *s, struct scatterlist *sg, u32 ranges, u64 sum, bool lend, bool *reclaimed)
{
	const struct ffa_mem_ops *ops = s->dev->ops->mem_ops;
	struct ffa_mem_region_attributes attrs = { .receiver = s->dev->vm_id, .attrs = FFA_MEM_RW };
	struct ffa_mem_ops_args args = { .use_txbuf = true, .nattrs = 1, .attrs = &attrs, .sg = sg };
	struct ffa_send_direct_data d = {};
	int ret, err;

	ret = lend ? ops->memory_lend(&args) : ops->memory_share(&args);
	if (ret) {
		pr_err("%s: %d\n", lend ? "lend" : "share", ret);
		return ret;
	}
	d.data1 = args.g_handle;
	ret = request(s, MEMORY, &d);
	if (!ret && (d.data1 != sum || d.data2 != ranges)) {
		pr_err("the partition saw %lu ranges with the sum %lx, want %u, %llx\n", d.data2, d.data1, ranges, sum);
		ret = -EPROTO;
	}
	err = ops->memory_reclaim(args.g_handle, 0);
	if (err) {
		pr_err("reclaim: %d\n", err);
		*reclaimed = false;
	}
	return ret ?: err;
}

static int memory(struct server *s, u32 ranges, u32 pages, bool lend)
{
	size_t words = pages * PAGE_SIZE / sizeof(u64);
	unsigned int order;
	struct scatterlist *i;
	struct sg_table t;
	bool own = true;
	u64 sum = 0;
	u32 n;
	int ret;

	if (!is_power_of_2(pages) || !ranges)
		return -EINVAL;
	order = ilog2(pages);
	ret = sg_alloc_table(&t, ranges, GFP_KERNEL);
	if (ret)
		return ret;
	for_each_sgtable_sg(&t, i, n) {
		struct page *p = alloc_pages(GFP_KERNEL, order);

		if (!p) {
			ret = -ENOMEM;
			goto free;
		}
		sg_set_page(i, p, pages * PAGE_SIZE, 0);
		sum += fill(page_address(p), words, n);
	}
	ret = transfer(s, t.sgl, ranges, sum, lend, &own);
	for_each_sgtable_sg(&t, i, n)
		if (!ret && !inverted(sg_virt(i), words, n)) {
			pr_err("range %u is not what the partition should have made of it\n", n);
			ret = -EPROTO;
		}
free:
	for_each_sgtable_sg(&t, i, n)
		if (own && sg_page(i))
			__free_pages(sg_page(i), order);
	sg_free_table(&t);
	return ret;
}

static void arrived(int id, void *data)
{
	struct server *s = data;

	s->last = id;
	complete(&s->arrived);
}

static int listen(struct server *s)
{
	int id, ret = 0;

	for (id = s->first; id < s->first + IDS && !s->listening && !ret; id++)
		ret = s->dev->ops->notifier_ops->notify_request(s->dev, false, arrived, s, id);
	if (ret)
		pr_err("notification %d: %d\n", id - 1, ret);
	else
		s->listening = true;
	return ret;
}

static int notified(struct server *s, u32 n)
{
	int ret = listen(s);
	u32 i;

	for (i = 0; i < n && !ret; i++) {
		int id = s->first + i % IDS;
		struct ffa_send_direct_data d = { .data1 = BIT(id) };

		reinit_completion(&s->arrived);
		ret = request(s, NOTIFY, &d);
		if (!ret && !wait_for_completion_timeout(&s->arrived, PATIENCE)) {
			pr_err("notification %u was lost\n", i);
			ret = -EPROTO;
		} else if (!ret && s->last != id) {
			pr_err("notification %u arrived as %d, want %d\n", i, s->last, id);
			ret = -EPROTO;
		}
	}
	return ret;
}

static int notify(struct server *s, u32 n)
{
	struct ffa_send_direct_data d = { .data1 = (BIT(IDS) - 1) << s->first };
	int ret = s->bound ? 0 : request(s, BIND, &d);
	u32 i;

	s->bound = !ret;
	for (i = 0; i < n && !ret; i++) {
		int id = s->first + i % IDS;

		ret = s->dev->ops->notifier_ops->notify_send(s->dev, id, false, 0);
		if (!ret)
			ret = request(s, NOTIFIED, &d);
		if (!ret && d.data1 != BIT(id)) {
			pr_err("the partition got the notifications %lx, want %lx\n", d.data1, BIT(id));
			ret = -EPROTO;
		}
	}
	return ret;
}

static int get(const char __user *buf, size_t count, const char *format, u32 *a, u32 *b)
{
	char text[32];

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = 0;
	return sscanf(text, format, a, b) == (b ? 2 : 1) ? 0 : -EINVAL;
}

#define TEST_FILE(name, format, two, test)                                                                     \
	static ssize_t name##_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)     \
	{                                                                                                      \
		struct server *s = file->private_data;                                                         \
		u32 a, b;                                                                                      \
		int ret = get(buf, count, format, &a, two ? &b : NULL);                                        \
                                                                                                               \
		if (ret)                                                                                       \
			return ret;                                                                            \
		mutex_lock(&s->lock);                                                                          \
		ret = test;                                                                                    \
		mutex_unlock(&s->lock);                                                                        \
		return ret ?: count;                                                                           \
	}                                                                                                      \
	static const struct file_operations name##_fops = {                                                    \
		.owner = THIS_MODULE,                                                                          \
		.open = simple_open,                                                                           \
		.write = name##_write,                                                                         \
	}

TEST_FILE(direct, "%u", false, direct(s, a));
TEST_FILE(direct2, "%u", false, direct2(s, a));
TEST_FILE(share, "%u %u", true, memory(s, a, b, false));
TEST_FILE(lend, "%u %u", true, memory(s, a, b, true));
TEST_FILE(notified, "%u", false, notified(s, a));
TEST_FILE(notify, "%u", false, notify(s, a));

static int probe(struct ffa_device *dev)
{
	struct server *s = devm_kzalloc(&dev->dev, sizeof(*s), GFP_KERNEL);
	char name[8];

	if (!s)
		return -ENOMEM;
	s->dev = dev;
	s->first = servers++ % SERVERS * IDS;
	mutex_init(&s->lock);
	init_completion(&s->arrived);
	ffa_dev_set_drvdata(dev, s);
	snprintf(name, sizeof(name), "%d", dev->vm_id);
	s->root = debugfs_create_dir(name, root);
	debugfs_create_file("direct", 0200, s->root, s, &direct_fops);
	debugfs_create_file("direct2", 0200, s->root, s, &direct2_fops);
	debugfs_create_file("share", 0200, s->root, s, &share_fops);
	debugfs_create_file("lend", 0200, s->root, s, &lend_fops);
	debugfs_create_file("notified", 0200, s->root, s, &notified_fops);
	debugfs_create_file("notify", 0200, s->root, s, &notify_fops);
	return 0;
}

static void remove(struct ffa_device *dev)
{
	struct server *s = ffa_dev_get_drvdata(dev);
	int id;

	debugfs_remove(s->root);
	for (id = s->first; id < s->first + IDS && s->listening; id++)
		dev->ops->notifier_ops->notify_relinquish(dev, id);
}

static const struct ffa_device_id ids[] = {
	{ UUID_INIT(0x8f3d0c52, 0x1b7a, 0x4e0f, 0x9a, 0x64, 0x6c, 0x1e, 0x2d, 0x7b, 0x5a, 0x90) },
	{}
};

static struct ffa_driver driver = {
	.name = "ffa_test",
	.probe = probe,
	.remove = remove,
	.id_table = ids,
};

static int __init ffa_test_init(void)
{
	int ret;

	root = debugfs_create_dir("ffa_test", NULL);
	ret = ffa_register(&driver);
	if (ret)
		debugfs_remove(root);
	return ret;
}

static void __exit ffa_test_exit(void)
{
	ffa_unregister(&driver);
	debugfs_remove(root);
}

module_init(ffa_test_init);
module_exit(ffa_test_exit);
MODULE_DESCRIPTION("Test of FF-A against the partition ffa_server");
MODULE_LICENSE("GPL");
