package boot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/u-root/u-root/pkg/dt"
)

// Structure tokens of a flattened device tree (Devicetree Specification §5.4.1).
const (
	fdtBeginNode = 1
	fdtEndNode   = 2
	fdtProp      = 3
	fdtNop       = 4
	fdtEnd       = 9
)

const (
	fdtHeaderSize  = 40
	maxNodeName    = 255 // of which the specification allows 31
	maxNodeDepth   = 64
	maxFDTProperty = 1 << 20
)

var errFDT = errors.New("damaged device tree blob")

// readFDT parses a device tree blob that nobody vouches for. The parser allocates what lengths in the
// blob tell it to, so they are checked first.
func readFDT(b []byte) (*dt.FDT, error) {
	if err := checkFDT(b); err != nil {
		return nil, err
	}
	// The byte behind the blob is there because the parser takes an empty strings block at the very
	// end for a missing one.
	tree, err := dt.ReadFDT(bytes.NewReader(append(b[:len(b):len(b)], 0)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFDT, err)
	}
	if err := tree.RootNode.Walk(checkNames); err != nil {
		return nil, err
	}
	return tree, nil
}

// checkNames refuses names that are not visible ASCII. They stand in errors and warnings, where a terminal might obey
// them. The specification allows less (§2.2.1, §2.2.4.1).
func checkNames(n *dt.Node) error {
	names := []string{n.Name}
	for _, p := range n.Properties {
		names = append(names, p.Name)
	}
	for _, name := range names {
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("%w: the name %q is not visible ASCII", errFDT, name)
		}
	}
	return nil
}

// checkFDT walks over the structure block and sees that every part of it lies inside b.
func checkFDT(b []byte) error {
	be := binary.BigEndian
	if len(b) < fdtHeaderSize || be.Uint32(b) != dt.Magic {
		return fmt.Errorf("%w: no header", errFDT)
	}
	header := func(i int) uint64 { return uint64(be.Uint32(b[4*i:])) }
	total, structs, strs, strsSize, structsSize := header(1), header(2), header(3), header(8), header(9)
	size := uint64(len(b))
	if total > size || structs+structsSize > size || strs+strsSize > size {
		return fmt.Errorf("%w: it is cut off", errFDT)
	}
	rest := b[structs : structs+structsSize]
	word := func() (v uint32, ok bool) {
		if len(rest) < 4 {
			return 0, false
		}
		v, rest = be.Uint32(rest), rest[4:]
		return v, true
	}
	skip := func(n int) bool {
		n = (n + 3) &^ 3
		if n > len(rest) {
			return false
		}
		rest = rest[n:]
		return true
	}
	for depth := 0; ; {
		token, ok := word()
		switch {
		case !ok:
			return fmt.Errorf("%w: its structure does not end", errFDT)
		case token == fdtNop:
		case token == fdtEnd:
			return nil
		case token == fdtBeginNode:
			depth++
			name := bytes.IndexByte(rest, 0)
			if depth > maxNodeDepth || name < 0 || name > maxNodeName || !skip(name+1) {
				return fmt.Errorf("%w: a node has no proper name or is nested too deeply", errFDT)
			}
		case token == fdtEndNode && depth > 0:
			depth--
		case token == fdtProp && depth > 0:
			length, ok := word()
			if _, hasName := word(); !ok || !hasName || length > maxFDTProperty || !skip(int(length)) {
				return fmt.Errorf("%w: a property is longer than the blob", errFDT)
			}
		default:
			return fmt.Errorf("%w: token %d at an impossible place", errFDT, token)
		}
	}
}
