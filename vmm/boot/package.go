package boot

import (
	"encoding/binary"
	"fmt"
)

// PartitionPackage is a partition's image together with its manifest in one file, as the tool sptool of Trusted
// Firmware packs it.
type PartitionPackage struct {
	Manifest []byte // a device tree blob
	Image    []byte

	ManifestAt, ImageAt uint64 // where they lie in the file
}

// Header of a package: numbers of 32 bits, little-endian.
const (
	packageMagic      = "SPKG"
	packageVersion    = 4 // 1 or 2
	packageManifest   = 8 // offset, then size
	packageImage      = 16
	packageHeaderSize = 24
)

// IsPartitionPackage reports whether a file that begins with b is a package.
func IsPartitionPackage(b []byte) bool { return len(b) >= 4 && string(b[:4]) == packageMagic }

// ParsePartitionPackage splits a package.
func ParsePartitionPackage(b []byte) (*PartitionPackage, error) {
	if !IsPartitionPackage(b) || len(b) < packageHeaderSize {
		return nil, fmt.Errorf("it is no partition package of %d bytes or more; pack it again", packageHeaderSize)
	}
	if v := binary.LittleEndian.Uint32(b[packageVersion:]); v != 1 && v != 2 {
		return nil, fmt.Errorf("its package has version %d; pack it with version 1 or 2", v)
	}
	manifest, ok := packagePart(b, packageManifest)
	if !ok {
		return nil, fmt.Errorf("its manifest lies outside the package of %d bytes; pack it again", len(b))
	}
	image, ok := packagePart(b, packageImage)
	if !ok || len(image) == 0 {
		return nil, fmt.Errorf("its image is empty or lies outside the package of %d bytes; pack it again", len(b))
	}
	at := func(field int) uint64 { return uint64(binary.LittleEndian.Uint32(b[field:])) }
	return &PartitionPackage{manifest, image, at(packageManifest), at(packageImage)}, nil
}

// packagePart returns what the offset and size at that place of the header describe.
func packagePart(b []byte, at int) ([]byte, bool) {
	offset, size := uint64(binary.LittleEndian.Uint32(b[at:])), uint64(binary.LittleEndian.Uint32(b[at+4:]))
	if offset < packageHeaderSize || offset+size > uint64(len(b)) {
		return nil, false
	}
	return b[offset:][:size], true
}
