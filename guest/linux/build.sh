#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# build.sh HEADERS COMMON OUT [SOURCE]: builds the modules in SOURCE, this script's folder unless given, for one Debian
# arm64 kernel and puts them into the folder OUT.
#
# HEADERS and COMMON are the folders linux-headers-VERSION-arm64 and linux-headers-VERSION-common, which may lie
# anywhere as long as scripts/ in them leads to the kbuild package of the machine that builds (Debian's links are
# relative: unpack all three packages below one folder). Neither they nor the source folder are written to.
# CROSS_COMPILE (aarch64-linux-gnu-) and CC (${CROSS_COMPILE}gcc-12) may be set.
set -eu

if [ $# -ne 3 ] && [ $# -ne 4 ]; then
	echo "usage: $0 HEADERS COMMON OUT [SOURCE]" >&2
	exit 2
fi
for dir in "$1/include/generated" "$2/include/linux" "$2/scripts/mod"; do
	if [ ! -d "$dir" ]; then
		echo "$0: $dir is missing: unpack linux-headers-*-arm64, linux-headers-*-common and linux-kbuild-* below one folder" >&2
		exit 1
	fi
done
headers=$(cd "$1" && pwd) common=$(cd "$2" && pwd) source=$(cd "${4:-$(dirname "$0")}" && pwd)
: "${CROSS_COMPILE:=aarch64-linux-gnu-}"
: "${CC:=${CROSS_COMPILE}gcc-12}"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for file in "$source"/Kbuild "$source"/*.[ch]; do
	cp "$file" "$scratch"
done

# A kernel that a newer compiler built may want options of it.
if ! "$CC" -fmin-function-alignment=4 -E -x c /dev/null >/dev/null 2>&1; then
	cat >"$scratch/cc" <<-EOF
		#!/bin/sh
		for arg do
			shift
			case \$arg in -fmin-function-alignment=*) arg=-falign-functions=\${arg#*=} ;; esac
			set -- "\$@" "\$arg"
		done
		exec "$CC" "\$@"
	EOF
	chmod +x "$scratch/cc"
	CC=$scratch/cc
fi

# What the Makefile in HEADERS says is said here, because it names the installed paths. No BTF: that would need
# pahole, and nothing here wants it.
make -s -C "$common" O="$headers" M="$scratch" ARCH=arm64 CROSS_COMPILE="$CROSS_COMPILE" CC="$CC" \
	CONFIG_DEBUG_INFO_BTF_MODULES= PAHOLE_VERSION="$(sed -n 's/^CONFIG_PAHOLE_VERSION=//p' "$headers/.config")" KCFLAGS="-Werror -ffile-prefix-map=$scratch=." modules
"${CROSS_COMPILE}strip" --strip-debug "$scratch"/*.ko
mkdir -p "$3"
cp "$scratch"/*.ko "$3"
