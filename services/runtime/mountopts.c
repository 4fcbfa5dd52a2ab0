/* SPDX-License-Identifier: Apache-2.0 */

#include <linux/mount.h>
#include <string.h>

#include "runtime/fail.h"
#include "runtime/mountopts.h"

enum kind { SET, CLEAR, REC_SET, REC_CLEAR, PROP, REC_PROP, SB, FLAG, NOTHING };
enum { F_BIND, F_RBIND, F_REMOUNT, F_IDMAP, F_RIDMAP, F_COPYUP };

static const struct {
	const char *name;
	enum kind kind;
	uint64_t value;
} words[] = {
	{"async", NOTHING, 0},
	{"atime", CLEAR, MOUNT_ATTR__ATIME},
	{"bind", FLAG, F_BIND},
	{"defaults", NOTHING, 0},
	{"dev", CLEAR, MOUNT_ATTR_NODEV},
	{"diratime", CLEAR, MOUNT_ATTR_NODIRATIME},
	{"dirsync", SB, 0},
	{"exec", CLEAR, MOUNT_ATTR_NOEXEC},
	{"idmap", FLAG, F_IDMAP},
	{"iversion", SB, 0},
	{"lazytime", SB, 0},
	{"loud", NOTHING, 0},
	{"mand", SB, 0},
	{"noatime", SET, MOUNT_ATTR_NOATIME},
	{"nodev", SET, MOUNT_ATTR_NODEV},
	{"nodiratime", SET, MOUNT_ATTR_NODIRATIME},
	{"noexec", SET, MOUNT_ATTR_NOEXEC},
	{"noiversion", NOTHING, 0},
	{"nolazytime", NOTHING, 0},
	{"nomand", NOTHING, 0},
	{"norelatime", CLEAR, MOUNT_ATTR__ATIME},
	{"nostrictatime", CLEAR, MOUNT_ATTR__ATIME},
	{"nosuid", SET, MOUNT_ATTR_NOSUID},
	{"nosymfollow", SET, MOUNT_ATTR_NOSYMFOLLOW},
	{"private", PROP, MS_PRIVATE},
	{"ratime", REC_CLEAR, MOUNT_ATTR__ATIME},
	{"rbind", FLAG, F_RBIND},
	{"rdev", REC_CLEAR, MOUNT_ATTR_NODEV},
	{"rdiratime", REC_CLEAR, MOUNT_ATTR_NODIRATIME},
	{"relatime", SET, MOUNT_ATTR_RELATIME},
	{"remount", FLAG, F_REMOUNT},
	{"rexec", REC_CLEAR, MOUNT_ATTR_NOEXEC},
	{"ridmap", FLAG, F_RIDMAP},
	{"rnoatime", REC_SET, MOUNT_ATTR_NOATIME},
	{"rnodev", REC_SET, MOUNT_ATTR_NODEV},
	{"rnodiratime", REC_SET, MOUNT_ATTR_NODIRATIME},
	{"rnoexec", REC_SET, MOUNT_ATTR_NOEXEC},
	{"rnorelatime", REC_CLEAR, MOUNT_ATTR__ATIME},
	{"rnostrictatime", REC_CLEAR, MOUNT_ATTR__ATIME},
	{"rnosuid", REC_SET, MOUNT_ATTR_NOSUID},
	{"rnosymfollow", REC_SET, MOUNT_ATTR_NOSYMFOLLOW},
	{"ro", SET, MOUNT_ATTR_RDONLY},
	{"rprivate", REC_PROP, MS_PRIVATE},
	{"rrelatime", REC_SET, MOUNT_ATTR_RELATIME},
	{"rro", REC_SET, MOUNT_ATTR_RDONLY},
	{"rrw", REC_CLEAR, MOUNT_ATTR_RDONLY},
	{"rshared", REC_PROP, MS_SHARED},
	{"rslave", REC_PROP, MS_SLAVE},
	{"rstrictatime", REC_SET, MOUNT_ATTR_STRICTATIME},
	{"rsuid", REC_CLEAR, MOUNT_ATTR_NOSUID},
	{"rsymfollow", REC_CLEAR, MOUNT_ATTR_NOSYMFOLLOW},
	{"runbindable", REC_PROP, MS_UNBINDABLE},
	{"rw", CLEAR, MOUNT_ATTR_RDONLY},
	{"shared", PROP, MS_SHARED},
	{"silent", NOTHING, 0},
	{"slave", PROP, MS_SLAVE},
	{"strictatime", SET, MOUNT_ATTR_STRICTATIME},
	{"suid", CLEAR, MOUNT_ATTR_NOSUID},
	{"symfollow", CLEAR, MOUNT_ATTR_NOSYMFOLLOW},
	{"sync", SB, 0},
	{"tmpcopyup", FLAG, F_COPYUP},
	{"unbindable", PROP, MS_UNBINDABLE},
};

const char *rt_mountopt_name(size_t i)
{
	return i < array_len(words) ? words[i].name : NULL;
}

/* Access-time modes are one field: naming one clears the others (mount_setattr(2)). */
static void set_bits(uint64_t value, uint64_t *set, uint64_t *clear)
{
	if (value == MOUNT_ATTR_RELATIME || value == MOUNT_ATTR_NOATIME || value == MOUNT_ATTR_STRICTATIME) {
		*set &= ~(uint64_t)MOUNT_ATTR__ATIME;
		*clear |= MOUNT_ATTR__ATIME;
	} else {
		*clear &= ~value;
	}
	*set |= value;
}

static void clear_bits(uint64_t value, uint64_t *set, uint64_t *clear)
{
	*set &= ~value;
	*clear |= value;
}

static void flag(struct rt_mountopts *o, uint64_t f)
{
	o->bind |= f == F_BIND || f == F_RBIND;
	o->bind_rec |= f == F_RBIND;
	o->remount |= f == F_REMOUNT;
	o->idmap |= f == F_IDMAP || f == F_RIDMAP;
	o->idmap_rec |= f == F_RIDMAP;
	o->copy_up |= f == F_COPYUP;
}

static int one(struct rt_mountopts *o, const char *opt)
{
	for (size_t i = 0; i < array_len(words); i++) {
		if (strcmp(words[i].name, opt))
			continue;
		uint64_t v = words[i].value;

		switch (words[i].kind) {
		case SET:
			set_bits(v, &o->attr_set, &o->attr_clear);
			break;
		case CLEAR:
			clear_bits(v, &o->attr_set, &o->attr_clear);
			break;
		case REC_SET:
			set_bits(v, &o->rec_set, &o->rec_clear);
			break;
		case REC_CLEAR:
			clear_bits(v, &o->rec_set, &o->rec_clear);
			break;
		case PROP:
		case REC_PROP:
			o->propagation = v;
			o->propagation_rec = words[i].kind == REC_PROP;
			break;
		case SB:
			if (o->n_sb < array_len(o->sb))
				o->sb[o->n_sb++] = words[i].name;
			break;
		case FLAG:
			flag(o, v);
			break;
		case NOTHING:
			break;
		}
		return 0;
	}
	if (o->n_data == RT_MOUNT_DATA_MAX)
		return rt_refuse("more than %d options", RT_MOUNT_DATA_MAX);
	o->data[o->n_data++] = opt;
	return 0;
}

int rt_mountopts_parse(struct rt_mountopts *o, const struct oci_mount *m)
{
	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < m->n_options; i++) {
		int r = one(o, m->options[i]);

		if (r < 0)
			return rt_while(r, "mount %s", m->destination);
	}
	if (m->type && !strcmp(m->type, "bind"))
		o->bind = true;
	if (o->bind && o->n_data)
		return rt_refuse("mount %s: a bind mount takes no option %s", m->destination, o->data[0]);
	if (o->remount && !o->bind)
		return rt_refuse("mount %s: remount is for bind mounts only", m->destination);
	o->idmap |= m->uids.n != 0;
	if (o->idmap && !o->bind)
		return rt_refuse("mount %s: only bind mounts can be id-mapped", m->destination);
	if (o->idmap && o->remount)
		return rt_refuse("mount %s: a remount cannot be id-mapped", m->destination);
	return 0;
}
