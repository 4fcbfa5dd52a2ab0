/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENGINE_IMAGE_CONFIG_H
#define ENGINE_IMAGE_CONFIG_H

/* Config of an image's inspect: the members that Docker shows of what an image was made to run with. */

#include <yyjson.h>

/* @stored: the `config` of the image's configuration, or NULL; @minor: of the API's version. NULL: no memory. */
yyjson_mut_val *image_config_shown(yyjson_mut_doc *doc, yyjson_val *stored, int minor);

#endif
