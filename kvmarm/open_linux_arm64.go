package kvmarm

import (
	"fmt"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
)

func openDevice(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		switch errno, _ := err.(unix.Errno); errno {
		case 0:
			return fd, nil
		case unix.EINTR:
		default:
			return -1, openError(path, ownership(path), errno)
		}
	}
}

// ownership describes who may open path: its mode and its group.
func ownership(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "its mode cannot be read: " + err.Error()
	}
	group := strconv.FormatUint(uint64(st.Gid), 10)
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return fmt.Sprintf("mode %#o, group %s", st.Mode&0o7777, group)
}
