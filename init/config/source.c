/* SPDX-License-Identifier: Apache-2.0 */

/* QEMU's fw_cfg first: whoever starts a virtual machine means what they hand to it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "init/config/render.h"
#include "init/config/source.h"
#include "lib/file.h"
#include "lib/log.h"

#define FW_CFG_NAME "opt/wherry/config"
#define FW_CFG_PATH "/sys/firmware/qemu_fw_cfg/by_name/" FW_CFG_NAME "/raw"

void config_source_fini(struct config_source *s)
{
	free(s->text);
	s->text = NULL;
	s->len = 0;
}

static int find_fw_cfg(struct config_source *out)
{
	int rc = file_read(AT_FDCWD, FW_CFG_PATH, CONFIG_SIZE_MAX, &out->text, &out->len);

	if (rc == -ENOENT)
		return CONFIG_NONE;
	if (rc < 0 && rc != -EFBIG) {
		log_errno(-rc, "path=%s op=read", FW_CFG_PATH);
		return CONFIG_NONE;
	}
	snprintf(out->name, sizeof(out->name), "fw_cfg/%s", FW_CFG_NAME);
	return CONFIG_FOUND;
}

int config_find(struct config_source *out)
{
	*out = (struct config_source){0};
	return find_fw_cfg(out);
}
