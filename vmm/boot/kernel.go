package boot

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Format is the way in which a kernel is packed.
type Format uint8

// The formats.
const (
	Flat  Format = iota // code that starts at its first byte
	Image               // arm64 Linux Image (Linux Documentation/arch/arm64/booting.rst)
	Gzip                // an Image, gzip'ed
	Zboot               // an Image within an EFI program that unpacks itself
)

func (f Format) String() string {
	return [...]string{"flat binary", "Image", "gzip'ed Image", "EFI zboot"}[f]
}

// flatTextOffset is where a flat primary starts: where QEMU and old Linux put it, so that binaries
// linked for them run.
const flatTextOffset = 0x80000

// Kernel is an unpacked kernel.
type Kernel struct {
	Format     Format
	Image      []byte // what is loaded, starting with the first instruction
	TextOffset uint64 // from a 2 MiB boundary to the first instruction, bytes
	ImageSize  uint64 // memory from the first instruction on that belongs to it, at least len(Image)
	Unsized    bool   // it does not say how much that is
}

// ReadKernel reads what the primary boots: an arm64 Linux kernel as Image, gzip'ed or EFI zboot, or
// else a flat binary. limit is the memory of the VM in bytes; nothing larger is unpacked. Files
// that are recognizably something else are refused.
func ReadKernel(path string, limit uint64) (*Kernel, error) {
	b, err := readFile(kernelFile, path, limit)
	if err != nil {
		return nil, err
	}
	k, err := parseKernel(b, limit)
	if err != nil {
		return nil, fmt.Errorf("the kernel %q %w", path, err)
	}
	return k, nil
}

// ReadFlat reads the flat binary of a secondary, which starts at its first byte; it may carry the
// header of an Image, so that one file serves in both places. limit is the memory of that VM in bytes.
func ReadFlat(path string, limit uint64) ([]byte, error) {
	b, err := readFile(imageFile, path, limit)
	if err != nil {
		return nil, err
	}
	if s := recognize(b); s != nil && !isImage(b) {
		return nil, fmt.Errorf("the image %q is %s and a secondary boots a flat binary; %s", path, s.what, s.remedyFlat)
	}
	return b, nil
}

// parseKernel unpacks the file b. Its errors continue the sentence `the kernel "x" …`.
func parseKernel(b []byte, limit uint64) (*Kernel, error) {
	switch {
	case isImage(b):
		return parseImage(b, Image)
	case isZboot(b):
		return parseZboot(b, limit)
	case bytes.HasPrefix(b, gzipMagic):
		return parseGzip(b, Gzip, limit)
	}
	if s := recognize(b); s != nil {
		return nil, fmt.Errorf("is %s; %s", s.what, s.remedy)
	}
	return &Kernel{Format: Flat, Image: b, TextOffset: flatTextOffset, ImageSize: uint64(len(b)), Unsized: true}, nil
}

// The header of an Image, 64 bytes (booting.rst §4, "Call the kernel image").
const (
	imageHeaderSize   = 64
	imageTextOffset   = 8
	imageSizeOffset   = 16
	imageFlagsOffset  = 24
	imageMagicOffset  = 56
	imageMagic        = "ARM\x64"
	imageFlagBE       = 1 << 0
	imageAlignment    = 2 << 20
	oldTextOffset     = 0x80000 // where image_size is 0: kernels before 3.17
	zbootMagic        = "zimg"
	zbootHeaderSize   = 64
	zbootPayloadStart = 8
	zbootPayloadSize  = 12
	zbootMethodOffset = 24
	zbootMethodSize   = 32
)

var gzipMagic = []byte{0x1F, 0x8B}

func isImage(b []byte) bool {
	return len(b) >= imageHeaderSize && string(b[imageMagicOffset:imageMagicOffset+4]) == imageMagic
}

func parseImage(b []byte, f Format) (*Kernel, error) {
	le := binary.LittleEndian
	k := &Kernel{
		Format:     f,
		Image:      b,
		TextOffset: le.Uint64(b[imageTextOffset:]),
		ImageSize:  le.Uint64(b[imageSizeOffset:]),
	}
	if le.Uint64(b[imageFlagsOffset:])&imageFlagBE != 0 {
		return nil, errors.New("is a big-endian arm64 kernel; build it with CONFIG_CPU_LITTLE_ENDIAN=y")
	}
	if k.Unsized = k.ImageSize == 0; k.Unsized {
		k.TextOffset = oldTextOffset
	}
	if k.TextOffset >= imageAlignment {
		return nil, fmt.Errorf("has a damaged header (text offset %#x); copy or build it again", k.TextOffset)
	}
	k.ImageSize = max(k.ImageSize, uint64(len(b)))
	return k, nil
}

// isZboot recognizes the header of an EFI zboot image (Linux drivers/firmware/efi/libstub).
func isZboot(b []byte) bool {
	return len(b) >= zbootHeaderSize && string(b[:2]) == "MZ" && string(b[4:8]) == zbootMagic
}

func parseZboot(b []byte, limit uint64) (*Kernel, error) {
	start := uint64(binary.LittleEndian.Uint32(b[zbootPayloadStart:]))
	size := uint64(binary.LittleEndian.Uint32(b[zbootPayloadSize:]))
	method, _, _ := bytes.Cut(b[zbootMethodOffset:zbootMethodOffset+zbootMethodSize], []byte{0})
	if start+size > uint64(len(b)) {
		return nil, fmt.Errorf("is a truncated EFI zboot image (%d bytes of at least %d); copy or download it again", len(b), start+size)
	}
	if string(method) != "gzip" {
		return nil, fmt.Errorf("is an EFI zboot image packed with %q, and only gzip can be unpacked here; "+
			"unpack the %d bytes from offset %d with that tool and give the result", method, size, start)
	}
	return parseGzip(b[start:start+size], Zboot, limit)
}

// parseGzip unpacks b and takes the Image that is inside.
func parseGzip(b []byte, f Format, limit uint64) (*Kernel, error) {
	image, err := gunzip(b, limit)
	switch {
	case errors.Is(err, errLimit):
		return nil, fmt.Errorf("unpacks to more than the VM's memory (%s); give it more memory", mib(limit))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, errors.New("is a truncated gzip file; copy or download it again")
	case err != nil:
		return nil, fmt.Errorf("is a damaged gzip file (%w); copy or download it again", err)
	}
	if isImage(image) {
		return parseImage(image, f)
	}
	if s := recognize(image); s != nil {
		return nil, fmt.Errorf("is, inside gzip, %s; %s", s.what, s.remedy)
	}
	return nil, errors.New("is a gzip file without an arm64 Linux Image inside; give an arm64 kernel")
}

// gunzip unpacks the first member of b; what follows it is padding.
func gunzip(b []byte, limit uint64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return readUpTo(z, uint64(len(b))*4, limit)
}
