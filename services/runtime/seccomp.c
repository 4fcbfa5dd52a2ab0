/* SPDX-License-Identifier: Apache-2.0 */

/*
 * System call filters. libseccomp compiles the profile; that takes longer than all the rest of creating a
 * container, and nearly all containers have the same profile, so the result is kept. A cached file holds the
 * profile's JSON itself and is used only when that is equal byte for byte: the hash in its name is for
 * finding it, not for trust.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/fail.h"
#include "runtime/fdpass.h"
#include "runtime/seccomp.h"

enum { CACHE_MAGIC = 0x57534343, CACHE_FILE_MAX = 1 << 20, CACHE_ENTRIES_MAX = 64 };

struct cached {
	uint32_t magic, flags, notify, n_insns, key_len, arch;
	/* then the instructions, then the key */
};

void rt_seccomp_fini(struct rt_seccomp *s)
{
	free(s->insns);
	memset(s, 0, sizeof(*s));
}

static uint64_t hash(const char *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* @key NULL: whatever it was compiled from. Return: 0, -ENOENT for none that fits, or -errno. */
static int cache_read(struct rt_seccomp *out, int dir, const char *name, const char *key, size_t key_len)
{
	cleanup(closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup(freep) char *buf = NULL;
	struct cached c;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(c) || st.st_size > CACHE_FILE_MAX)
		return -ENOENT;
	buf = malloc((size_t)st.st_size);
	if (!buf)
		return -ENOMEM;
	if (read(fd, buf, (size_t)st.st_size) != st.st_size)
		return -ENOENT;
	memcpy(&c, buf, sizeof(c));
	size_t code = (size_t)c.n_insns * sizeof(struct sock_filter);

	if (c.magic != CACHE_MAGIC || c.arch != seccomp_arch_native() || !c.n_insns ||
		c.n_insns > BPF_MAXINSNS || (size_t)st.st_size != sizeof(c) + code + c.key_len)
		return -ENOENT;
	if (key && (c.key_len != key_len || memcmp(buf + sizeof(c) + code, key, key_len)))
		return -ENOENT;
	out->insns = malloc(code);
	if (!out->insns)
		return -ENOMEM;
	memcpy(out->insns, buf + sizeof(c), code);
	out->n = (uint16_t)c.n_insns;
	out->flags = c.flags;
	out->notify = c.notify != 0;
	return 0;
}

/* The cache is a convenience: any failure leaves it as it was. */
static void cache_write(
	const struct rt_seccomp *s, int dir, const char *name, const char *key, size_t key_len)
{
	char temp[64];
	struct cached c = {CACHE_MAGIC, s->flags, s->notify, s->n, (uint32_t)key_len, seccomp_arch_native()};

	snprintf(temp, sizeof(temp), "%.40s.%ld", name, (long)getpid());
	cleanup(closep) int fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return;
	if (write(fd, &c, sizeof(c)) != (ssize_t)sizeof(c) ||
		write(fd, s->insns, s->n * sizeof(*s->insns)) != (ssize_t)(s->n * sizeof(*s->insns)) ||
		write(fd, key, key_len) != (ssize_t)key_len || renameat(dir, temp, dir, name) < 0)
		unlinkat(dir, temp, 0);
}

static int add_rule(scmp_filter_ctx ctx, const struct oci_seccomp_rule *rule, const char *name)
{
	struct scmp_arg_cmp args[OCI_SECCOMP_ARGS_MAX];
	int nr = seccomp_syscall_resolve_name(name), r;
	bool twice = false;

	/* Profiles name calls of all architectures and of newer kernels. */
	if (nr == __NR_SCMP_ERROR)
		return 0;
	for (size_t i = 0; i < rule->n_args; i++) {
		const struct oci_seccomp_arg *a = &rule->args[i];

		args[i] = (struct scmp_arg_cmp){a->index, (enum scmp_compare)a->op, a->value, a->value_two};
		for (size_t j = 0; j < i; j++)
			twice |= args[j].arg == args[i].arg;
	}
	/* libseccomp takes one comparison for an argument in a rule; several for the same one mean "any of
	 * them". */
	if (!twice) {
		r = seccomp_rule_add_array(ctx, rule->action, nr, (unsigned)rule->n_args, args);
		return r == -EEXIST ? 0 : r;
	}
	for (size_t i = 0; i < rule->n_args; i++) {
		r = seccomp_rule_add_array(ctx, rule->action, nr, 1, &args[i]);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

static int fill(scmp_filter_ctx ctx, const struct oci_seccomp *s)
{
	int r;

	/* no_new_privs is the caller's decision, and it is set elsewhere. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (r < 0)
		return rt_fail(-r, "seccomp attributes");
	for (size_t i = 0; i < s->n_arches; i++) {
		r = seccomp_arch_add(ctx, s->arches[i]);
		if (r < 0 && r != -EEXIST)
			return rt_fail(-r, "seccomp architecture %u", s->arches[i]);
	}
	for (size_t i = 0; i < s->n_rules; i++) {
		/* The default says it already, and libseccomp refuses the repetition. */
		if (s->rules[i].action == s->default_action)
			continue;
		for (size_t j = 0; j < s->rules[i].n_names; j++) {
			r = add_rule(ctx, &s->rules[i], s->rules[i].names[j]);
			if (r < 0)
				return rt_fail(-r, "seccomp rule for %s", s->rules[i].names[j]);
		}
	}
	return 0;
}

static int export_filter(struct rt_seccomp *out, scmp_filter_ctx ctx)
{
	cleanup(closep) int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return rt_fail(errno, "memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return rt_fail(-r, "compile the seccomp profile");
	if (fstat(fd, &st) < 0)
		return rt_fail(errno, "compile the seccomp profile");
	size_t n = (size_t)st.st_size / sizeof(struct sock_filter);

	if (!n || n > BPF_MAXINSNS)
		return rt_refuse(
			"linux.seccomp compiles to %zu instructions, the kernel takes %d", n, BPF_MAXINSNS);
	out->insns = malloc((size_t)st.st_size);
	if (!out->insns)
		return rt_fail(ENOMEM, "compile the seccomp profile");
	if (pread(fd, out->insns, (size_t)st.st_size, 0) != st.st_size)
		return rt_fail(EIO, "compile the seccomp profile");
	out->n = (uint16_t)n;
	return 0;
}

static int compile(struct rt_seccomp *out, const struct oci_seccomp *s)
{
	scmp_filter_ctx ctx = seccomp_init(s->default_action);
	int r;

	if (!ctx)
		return rt_refuse("linux.seccomp.defaultAction is not accepted by libseccomp");
	r = fill(ctx, s);
	if (r == 0)
		r = export_filter(out, ctx);
	seccomp_release(ctx);
	return r;
}

static int prepare(struct rt_seccomp *out, const struct oci_seccomp *s)
{
	bool notify = s->default_action == SCMP_ACT_NOTIFY;

	for (size_t i = 0; i < s->n_rules; i++)
		notify |= s->rules[i].action == SCMP_ACT_NOTIFY;
	if (notify && !s->listener_path)
		return rt_refuse("linux.seccomp: SCMP_ACT_NOTIFY needs listenerPath");
	out->notify = notify;
	out->flags = s->flags;
	return 0;
}

/* Empties the cache when it has grown too large. Containers lose nothing: they hold names of their own for
 * theirs. */
static void cache_bound(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	unsigned n = 0;

	if (!d)
		return;
	while (readdir(d))
		n++;
	rewinddir(d);
	for (struct dirent *e; n > CACHE_ENTRIES_MAX && (e = readdir(d));)
		if (e->d_name[0] != '.')
			unlinkat(dir, e->d_name, 0);
	closedir(d);
}

int rt_seccomp_compile(struct rt_seccomp *out, const struct oci_seccomp *s, int root_dir, int link_dir)
{
	cleanup(freep) char *key = NULL;
	cleanup(closep) int dir = -1;
	char name[32];
	size_t len;
	int r;

	memset(out, 0, sizeof(*out));
	if (!s->raw)
		return 0;
	r = prepare(out, s);
	if (r < 0)
		return r;
	key = yyjson_val_write(s->raw, 0, &len);
	if (!key)
		return rt_fail(ENOMEM, "linux.seccomp");
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)hash(key, len));
	dir = openat(root_dir, ".seccomp", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0 && errno == ENOENT && (mkdirat(root_dir, ".seccomp", 0700) == 0 || errno == EEXIST))
		dir = openat(root_dir, ".seccomp", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir >= 0)
		r = cache_read(out, dir, name, key, len);
	if (dir < 0 || r < 0) {
		r = compile(out, s);
		if (r < 0)
			return r;
		if (dir >= 0) {
			cache_bound(dir);
			cache_write(out, dir, name, key, len);
		}
	}
	if (link_dir < 0)
		return 0;
	if (dir >= 0 && linkat(dir, name, link_dir, "seccomp", 0) == 0)
		return 0;
	/* No cache to link from: exec needs the filter all the same. */
	cache_write(out, link_dir, "seccomp", key, len);
	if (faccessat(link_dir, "seccomp", F_OK, 0) < 0)
		return rt_fail(errno, "keep the seccomp filter");
	return 0;
}

int rt_seccomp_read(struct rt_seccomp *out, int dir)
{
	memset(out, 0, sizeof(*out));
	int r = cache_read(out, dir, "seccomp", NULL, 0);

	return r == -ENOENT ? 0 : r < 0 ? rt_fail(-r, "read the seccomp filter") : 0;
}

int rt_seccomp_install(const struct rt_seccomp *s)
{
	struct sock_fprog prog = {.len = s->n, .filter = s->insns};
	unsigned flags = s->flags;

	if (!s->n)
		return 0;
	if (s->notify) {
		/* With one thread there is nothing to synchronise, and a listener's flag excludes it. */
		flags &= ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC;
		flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	}
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);

	if (r < 0)
		return rt_fail(errno, "install the seccomp filter");
	return s->notify ? (int)r : 0;
}

int rt_seccomp_send_listener(int sock, int listener, const char *state, const char *metadata)
{
	yyjson_doc *st = yyjson_read(state, strlen(state), 0);
	yyjson_mut_doc *doc = st ? yyjson_mut_doc_new(NULL) : NULL;
	cleanup(freep) char *text = NULL;
	size_t len = 0;

	if (doc) {
		yyjson_val *from = yyjson_doc_get_root(st);
		yyjson_mut_val *o = yyjson_mut_obj(doc), *fds = yyjson_mut_arr(doc);

		yyjson_mut_doc_set_root(doc, o);
		yyjson_mut_obj_add_str(
			doc, o, "ociVersion", yyjson_get_str(yyjson_obj_get(from, "ociVersion")));
		yyjson_mut_arr_add_str(doc, fds, "seccompFd");
		yyjson_mut_obj_add_val(doc, o, "fds", fds);
		yyjson_mut_obj_add_int(doc, o, "pid", yyjson_get_sint(yyjson_obj_get(from, "pid")));
		yyjson_mut_obj_add_str(doc, o, "metadata", metadata ? metadata : "");
		yyjson_mut_obj_add_val(doc, o, "state", yyjson_val_mut_copy(doc, from));
		text = yyjson_mut_write(doc, 0, &len);
	}
	yyjson_mut_doc_free(doc);
	yyjson_doc_free(st);
	if (!text)
		return rt_fail(ENOMEM, "describe the seccomp listener");
	int r = rt_fd_send(sock, listener, text, len);

	return r < 0 ? rt_fail(-r, "send the seccomp listener") : 0;
}
