#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# component.sh RECIPE: inside the build root, unpack what is in /files into /work/src, apply Debian's changes,
# and run the recipe's build() there. What it leaves in /out is the component.
set -eu
umask 022

export DEST=/out
export HOST="$ARCH-linux-musl"	# what configure is told
export GNU="$ARCH-linux-gnu"	# the names of Debian's compilers
export CC="$ARCH-wherry-gcc" AR="$GNU-gcc-ar" RANLIB="$GNU-gcc-ranlib" NM="$GNU-gcc-nm" STRIP="$GNU-strip"
export CFLAGS="-Os -pipe -ffunction-sections -fdata-sections -fstack-protector-strong \
-fno-asynchronous-unwind-tables -ffile-prefix-map=/work/src=."
export LDFLAGS="-static -Wl,--gc-sections"

mkdir -p /work/src
cd /work/src
for f in /files/*.deb; do
	[ -e "$f" ] || continue
	member=$(ar t "$f" | grep '^data\.tar')
	ar p "$f" "$member" | tar -x --"${member##*.}" 2>/dev/null ||
		ar p "$f" "$member" | tar -xJ
done
for f in /files/*.orig.tar.*; do
	[ ! -e "$f" ] || tar -xf "$f" --strip-components=1 --no-same-owner
done
for f in /files/*.debian.tar.*; do
	[ ! -e "$f" ] || tar -xf "$f" --no-same-owner
done
if [ -e debian/patches/series ]; then
	sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d; s/[[:space:]].*//' debian/patches/series >/work/series
	while read -r p; do
		patch -p1 -s -f --no-backup-if-mismatch -i "debian/patches/$p"
	done </work/series
fi

# shellcheck source=/dev/null
. "$1"
set -x
build
