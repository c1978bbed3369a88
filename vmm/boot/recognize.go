package boot

import "strings"

// stranger is a kind of file that people mistake for a bootable image.
type stranger struct {
	offset     int
	magic      string
	what       string
	remedy     string // where an arm64 kernel was wanted
	remedyFlat string // where a flat binary was wanted
}

const (
	giveArm64Kernel = "give an arm64 kernel (arch/arm64/boot/Image)"
	giveFlat        = "give a flat binary for arm64"
	useObjcopy      = "turn it into a flat binary with aarch64-linux-gnu-objcopy -O binary"
	unpackIt        = "unpack it first"
)

// strangers is searched in order: what is more telling comes first.
var strangers = []stranger{
	{0x202, "HdrS", "an x86 Linux kernel (bzImage)", giveArm64Kernel, giveFlat},
	{0, "\x7FELF", "an ELF file", "give arch/arm64/boot/Image, or " + useObjcopy, useObjcopy},
	{0x24, "\x18\x28\x6F\x01", "a 32-bit Arm Linux kernel (zImage)", giveArm64Kernel, giveFlat},
	{56, "RSC\x05", "a RISC-V Linux kernel", giveArm64Kernel, giveFlat},
	{4, zbootMagic, "an EFI zboot kernel", giveArm64Kernel, "boot it as the primary, or " + giveFlat},
	{0, "MZ", "an EFI or Windows program without an arm64 Linux kernel in it", giveArm64Kernel, giveFlat},
	{0, "\x27\x05\x19\x56", "a U-Boot image (uImage)", giveArm64Kernel, giveFlat},
	{0, "\xD0\x0D\xFE\xED", "a device tree or FIT image", giveArm64Kernel, giveFlat},
	{0, "070701", "a cpio archive", giveArm64Kernel + ", and this one as the initrd", giveFlat},
	{0, "\x1F\x8B", "a gzip file", unpackIt, unpackIt + " with gzip -d"},
	{0, "\x28\xB5\x2F\xFD", "a zstd file", unpackIt + " with zstd -d", unpackIt + " with zstd -d"},
	{0, "\xFD7zXZ\x00", "an xz file", unpackIt + " with xz -d", unpackIt + " with xz -d"},
	{0, "\x02\x21\x4C\x18", "an lz4 file", unpackIt + " with lz4 -d", unpackIt + " with lz4 -d"},
	{0, "\x04\x22\x4D\x18", "an lz4 file", unpackIt + " with lz4 -d", unpackIt + " with lz4 -d"},
	{0, "BZh", "a bzip2 file", unpackIt + " with bzip2 -d", unpackIt + " with bzip2 -d"},
	{0, "!<arch>\n", "an archive of objects or a Debian package", giveArm64Kernel, giveFlat},
}

var text = stranger{what: "a text file", remedy: giveArm64Kernel, remedyFlat: giveFlat}

// recognize returns what kind of stranger b is, or nil.
func recognize(b []byte) *stranger {
	for i := range strangers {
		s := &strangers[i]
		if end := s.offset + len(s.magic); end <= len(b) && string(b[s.offset:end]) == s.magic {
			return s
		}
	}
	if isText(b) {
		return &text
	}
	return nil
}

// isText reports whether b begins like a text. Machine code has bytes below 0x20 within a few
// instructions.
func isText(b []byte) bool {
	return !strings.ContainsFunc(string(b[:min(len(b), 256)]), func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7F || r == 0xFFFD
	})
}
