package boot

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

const plenty = 64 << 20

// image makes an arm64 Image of n bytes.
func image(n int, change ...func(header []byte)) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b) // so that gzip cannot shrink it to nothing; never fails
	copy(b, "MZ\x40\xFA")
	le := binary.LittleEndian
	le.PutUint64(b[imageTextOffset:], 0)
	le.PutUint64(b[imageSizeOffset:], uint64(n)+0x3000)
	le.PutUint64(b[imageFlagsOffset:], 0xA)
	copy(b[imageMagicOffset:], imageMagic)
	for _, f := range change {
		f(b)
	}
	return b
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b) // a bytes.Buffer never fails
	_ = w.Close()
	return out.Bytes()
}

// zboot wraps a packed Image as an EFI zboot image, with padding behind the payload.
func zboot(payload []byte, method string) []byte {
	b := make([]byte, 512)
	copy(b, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(b[zbootPayloadStart:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[zbootPayloadSize:], uint32(len(payload)))
	copy(b[zbootMethodOffset:], method)
	return append(append(b, payload...), make([]byte, 100)...)
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadKernelUnpacksEveryFormat(t *testing.T) {
	img := image(5000)
	for _, c := range []struct {
		format Format
		file   []byte
	}{
		{Image, img},
		{Gzip, gzipped(img)},
		{Gzip, append(gzipped(img), make([]byte, 512)...)},
		{Zboot, zboot(gzipped(img), "gzip")},
	} {
		k, err := ReadKernel(write(t, c.file), plenty)
		if err != nil {
			t.Errorf("%v: %v", c.format, err)
			continue
		}
		if k.Format != c.format || !bytes.Equal(k.Image, img) || k.TextOffset != 0 || k.ImageSize != 5000+0x3000 {
			t.Errorf("%v gives %v with %d bytes, text offset %#x, size %#x", c.format, k.Format, len(k.Image), k.TextOffset, k.ImageSize)
		}
	}
}

func TestKernelsWithoutImageSizeStartWhereOldOnesDid(t *testing.T) {
	k, err := parseKernel(image(5000, func(h []byte) { clear(h[imageTextOffset : imageSizeOffset+8]) }), plenty)
	if err != nil {
		t.Fatal(err)
	}
	if k.TextOffset != 0x80000 || k.ImageSize != 5000 {
		t.Errorf("text offset %#x, size %d", k.TextOffset, k.ImageSize)
	}
}

func TestUnknownCodeIsAFlatBinary(t *testing.T) {
	code := []byte{0x00, 0x00, 0x80, 0xD2, 0x02, 0x00, 0x00, 0xD4} // mov x0, #0; hvc #0
	k, err := ReadKernel(write(t, code), plenty)
	if err != nil {
		t.Fatal(err)
	}
	if k.Format != Flat || k.TextOffset != 0x80000 || k.ImageSize != 8 || !bytes.Equal(k.Image, code) {
		t.Errorf("got %+v", k)
	}
	b, err := ReadFlat(write(t, code), plenty)
	if err != nil || !bytes.Equal(b, code) {
		t.Errorf("ReadFlat: %x, %v", b, err)
	}
}

// at returns 1024 bytes of code with magic at offset.
func at(offset int, magic string) []byte {
	b := bytes.Repeat([]byte{0x1F, 0x20, 0x03, 0xD5}, 256)
	copy(b[offset:], magic)
	return b
}

func TestFilesThatAreSomethingElseAreRefused(t *testing.T) {
	img := image(5000)
	bad := bytes.Clone(gzipped(img))
	bad[len(bad)-6] ^= 0xFF
	for name, c := range map[string]struct {
		file []byte
		says []string
	}{
		"x86 kernel":        {at(0x202, "HdrS"), []string{"x86 Linux kernel", "give an arm64 kernel"}},
		"x86 EFI kernel":    {append([]byte("MZ"), at(0x202, "HdrS")[2:]...), []string{"x86 Linux kernel"}},
		"ELF":               {at(0, "\x7FELF"), []string{"ELF", "objcopy -O binary"}},
		"32-bit kernel":     {at(0x24, "\x18\x28\x6F\x01"), []string{"32-bit Arm", "give an arm64 kernel"}},
		"RISC-V kernel":     {at(56, "RSC\x05"), []string{"RISC-V"}},
		"EFI program":       {at(0, "MZ"), []string{"EFI or Windows program"}},
		"uImage":            {at(0, "\x27\x05\x19\x56"), []string{"U-Boot"}},
		"device tree":       {at(0, "\xD0\x0D\xFE\xED"), []string{"device tree"}},
		"initramfs":         {at(0, "070701"), []string{"cpio", "as the initrd"}},
		"zstd":              {at(0, "\x28\xB5\x2F\xFD"), []string{"zstd -d"}},
		"xz":                {at(0, "\xFD7zXZ\x00"), []string{"xz -d"}},
		"lz4":               {at(0, "\x02\x21\x4C\x18"), []string{"lz4 -d"}},
		"bzip2":             {at(0, "BZh"), []string{"bzip2 -d"}},
		"Debian package":    {at(0, "!<arch>\n"), []string{"Debian package"}},
		"text":              {[]byte("#!/bin/sh\nexec true\n"), []string{"a text file", "give an arm64 kernel"}},
		"big-endian kernel": {image(5000, func(h []byte) { h[imageFlagsOffset] |= 1 }), []string{"big-endian", "CONFIG_CPU_LITTLE_ENDIAN"}},
		"damaged header":    {image(5000, func(h []byte) { h[imageTextOffset+5] = 1 }), []string{"damaged header"}},
		"truncated gzip":    {gzipped(img)[:2000], []string{"truncated gzip", "again"}},
		"gzip of 5 bytes":   {gzipped(img)[:5], []string{"truncated gzip"}},
		"damaged gzip":      {bad, []string{"damaged gzip", "again"}},
		"text in gzip":      {gzipped([]byte("hello\n")), []string{"inside gzip, a text file"}},
		"x86 in gzip":       {gzipped(at(0x202, "HdrS")), []string{"inside gzip, an x86 Linux kernel"}},
		"code in gzip":      {gzipped(at(0, "")), []string{"without an arm64 Linux Image"}},
		"zstd zboot":        {zboot(img, "zstd"), []string{`EFI zboot image packed with "zstd"`, "5000 bytes from offset 512"}},
		"truncated zboot":   {zboot(gzipped(img), "gzip")[:1000], []string{"truncated EFI zboot"}},
		"lying zboot":       {zboot(gzipped(img)[:100], "gzip"), []string{"truncated gzip"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.file)
			_, err := ReadKernel(path, plenty)
			mentions(t, err, append(c.says, path)...)
		})
	}
}

func TestSecondariesRefusePackedFilesAndStrangers(t *testing.T) {
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"zboot": {zboot(gzipped(image(5000)), "gzip"), "boot it as the primary"},
		"gzip":  {gzipped(image(5000)), "gzip -d"},
		"ELF":   {at(0, "\x7FELF"), "objcopy -O binary"},
		"text":  {[]byte("hello"), "flat binary for arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.file)
			_, err := ReadFlat(path, plenty)
			mentions(t, err, path, c.says)
		})
	}
}

func TestSecondaryMayCarryTheHeaderOfAnImage(t *testing.T) {
	img := image(5000)
	if b, err := ReadFlat(write(t, img), plenty); err != nil || !bytes.Equal(b, img) {
		t.Errorf("ReadFlat: %d bytes, %v", len(b), err)
	}
}

func TestUnusableFilesAreNamedWithARemedy(t *testing.T) {
	read := map[string]func(string, uint64) error{
		"kernel":   func(p string, n uint64) error { _, err := ReadKernel(p, n); return err },
		"initrd":   func(p string, n uint64) error { _, err := ReadInitrd(p, n); return err },
		"image":    func(p string, n uint64) error { _, err := ReadFlat(p, n); return err },
		"manifest": func(p string, n uint64) error { _, err := ReadManifest(p, ""); return err },
	}
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing")
	for what, f := range read {
		err := f(missing, plenty)
		mentions(t, err, what, missing, "no such file", "check the path")
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v does not wrap the cause", what, err)
		}
		mentions(t, f(folder, plenty), what, folder, "a directory", "give a file")
		empty := write(t, nil)
		mentions(t, f(empty, plenty), what, empty, "empty")
		large := write(t, make([]byte, maxManifest+1))
		mentions(t, f(large, maxManifest), what, large, "larger", "1 MiB", map[bool]string{false: "more memory", true: "leave out"}[what == "manifest"])
	}
}

func TestUnreadableFilesSayHowToMendThem(t *testing.T) {
	err := fileError(kernelFile, "k", &fs.PathError{Op: "open", Path: "k", Err: syscall.EACCES})
	mentions(t, err, `kernel "k"`, "permission denied", "readable")
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v does not wrap the cause", err)
	}
}

func TestKernelsMayComeFromAPipe(t *testing.T) {
	img := image(100_000)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		_, _ = w.Write(img) // a failure shows as a wrong kernel
		w.Close()
	}()
	k, err := ReadKernel(fmt.Sprintf("/dev/fd/%d", r.Fd()), plenty)
	if err != nil || !bytes.Equal(k.Image, img) {
		t.Fatalf("ReadKernel: %v", err)
	}
}

func TestEndlessFilesEndAtTheLimit(t *testing.T) {
	_, err := ReadKernel("/dev/zero", plenty)
	mentions(t, err, "/dev/zero", "larger", "64 MiB", "more memory")
}

func TestGzipBombsEndAtTheLimit(t *testing.T) {
	bomb := gzipped(make([]byte, 32<<20))
	_, err := ReadKernel(write(t, bomb), 1<<20)
	mentions(t, err, "unpacks to more", "1 MiB", "more memory")
	if k, err := parseKernel(gzipped(image(5000)), 5000); err != nil {
		t.Errorf("a kernel of exactly the limit: %v, %v", k, err)
	}
}

func FuzzReadKernel(f *testing.F) {
	img := image(200)
	for _, b := range [][]byte{img, gzipped(img), zboot(gzipped(img), "gzip"), zboot(img, "zstd"), gzipped(img)[:50], at(0x202, "HdrS"), {0x1F, 0x8B}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		k, err := parseKernel(b, limit)
		if err != nil {
			return
		}
		if k.ImageSize < uint64(len(k.Image)) || k.TextOffset >= imageAlignment {
			t.Errorf("impossible kernel: %d bytes, text offset %#x, size %#x", len(k.Image), k.TextOffset, k.ImageSize)
		}
		if k.Format != Flat && k.Format != Image && len(k.Image) > limit {
			t.Errorf("%v unpacked to %d bytes", k.Format, len(k.Image))
		}
		ram := Span{0x4000_0000, 64 << 20}
		p, err := Place(ram, k, 1<<20)
		if err == nil {
			checkPlacement(t, ram, p)
		}
	})
}
