package kvmarm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Stats reads the statistics of a vCPU (KVM API §4.133). It belongs to one goroutine at a time, which
// need not be that of the vCPU: reading does not wait for KVM_RUN.
type Stats struct {
	fd       int
	offsets  map[string]int64 // in the file, of the first value of each statistic
	blocking int64
	buf      [8]byte
}

// Stats opens the statistics.
func (v *VCPU) Stats() (*Stats, error) {
	fd, err := call(v.fd, reqGetStatsFD, 0, fmt.Sprintf("vCPU %d", v.id))
	if err != nil {
		return nil, err
	}
	s := &Stats{fd: fd}
	if err := s.parse(); err != nil {
		s.Close()
		return nil, fmt.Errorf("statistics of vCPU %d: %w", v.id, err)
	}
	return s, nil
}

func (s *Stats) parse() (err error) {
	s.offsets, err = parseStats(fdReader(s.fd))
	if err != nil {
		return err
	}
	var ok bool
	if s.blocking, ok = s.offsets["blocking"]; !ok {
		return fmt.Errorf("this kernel has no statistic named blocking")
	}
	return nil
}

// Close closes the statistics.
func (s *Stats) Close() error { return closeFD(s.fd) }

// Blocking reports whether the vCPU sits in WFI, or in MPSuspended or MPStopped, inside of KVM_RUN.
func (s *Stats) Blocking() (bool, error) {
	n, err := s.readAt(s.blocking)
	return n != 0, err
}

// Read returns a statistic by its name in the kernel, such as "wfi_exit_stat", "wfe_exit_stat",
// "mmio_exit_user", "signal_exits" or "exits".
func (s *Stats) Read(name string) (uint64, error) {
	offset, ok := s.offsets[name]
	if !ok {
		return 0, fmt.Errorf("this kernel has no statistic named %s", name)
	}
	return s.readAt(offset)
}

func (s *Stats) readAt(offset int64) (uint64, error) {
	n, err := readAt(s.fd, s.buf[:], offset)
	if err == nil && n < len(s.buf) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, fmt.Errorf("reading vCPU statistics: %w", err)
	}
	return binary.LittleEndian.Uint64(s.buf[:]), nil
}

// fdReader is an io.ReaderAt of a file descriptor.
type fdReader int

func (fd fdReader) ReadAt(b []byte, offset int64) (int, error) {
	n, err := readAt(int(fd), b, offset)
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

// parseStats returns where each statistic of a file in KVM's format lies in it.
func parseStats(file io.ReaderAt) (map[string]int64, error) {
	var h statsHeader
	if err := decode(file, 0, &h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	var d statsDesc
	name := make([]byte, h.NameSize)
	offsets := make(map[string]int64, h.NumDesc)
	at := int64(h.DescOffset)
	for range h.NumDesc {
		if err := decode(file, at, &d); err != nil {
			return nil, fmt.Errorf("descriptor: %w", err)
		}
		at += int64(binary.Size(d))
		if _, err := file.ReadAt(name, at); err != nil {
			return nil, fmt.Errorf("name: %w", err)
		}
		at += int64(len(name))
		text, _, _ := bytes.Cut(name, []byte{0})
		offsets[string(text)] = int64(h.DataOffset) + int64(d.Offset)
	}
	return offsets, nil
}

func decode(file io.ReaderAt, offset int64, v any) error {
	return binary.Read(io.NewSectionReader(file, offset, int64(binary.Size(v))), binary.LittleEndian, v)
}
