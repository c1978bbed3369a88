package wire

// NotificationList is the answer to FFA_NOTIFICATION_INFO_GET (DEN0077A §16.7): for whom notifications are pending. It is
// a row of lists, each a partition, for its global notifications, or a partition and up to three of its vCPUs.
type NotificationList struct {
	Wide bool // the answer is FFA_SUCCESS_64: four identifiers to a register, not two
	More bool // there is more than fits

	ids     [MaxNotificationIDs]uint16
	n       int
	lengths [MaxNotificationIDs]uint8 // of the lists, in identifiers
	lists   int
	open    bool // the last list has vCPUs and may take more
}

// MaxNotificationIDs is how many identifiers x3 to x7 hold.
const MaxNotificationIDs = 20

const (
	narrowIDs = 10 // w3 to w7 hold
	maxList   = 4  // identifiers of one list

	listCount   = 7  // bits [11:7] of x2
	listLengths = 12 // two bits for each list, its length less one
)

// capacity is how many identifiers fit; no more lists than that do.
func (l *NotificationList) capacity() int {
	if l.Wide {
		return MaxNotificationIDs
	}
	return narrowIDs
}

// Global adds the global notifications of a partition. It is false where there is no more room.
func (l *NotificationList) Global(partition uint16) bool {
	return l.begin(partition) && l.close()
}

// VCPU adds the notifications of a partition's vCPU. It is false where there is no more room.
func (l *NotificationList) VCPU(partition, vcpu uint16) bool {
	if l.open && l.lengths[l.lists-1] < maxList && l.ids[l.n-int(l.lengths[l.lists-1])] == partition {
		return l.extend(vcpu)
	}
	if l.n+2 > l.capacity() {
		l.More = true
		return false
	}
	l.begin(partition)
	l.open = true
	return l.extend(vcpu)
}

func (l *NotificationList) close() bool {
	l.open = false
	return true
}

// begin starts a list with its partition.
func (l *NotificationList) begin(partition uint16) bool {
	if l.n == l.capacity() {
		l.More = true
		return false
	}
	l.ids[l.n], l.lengths[l.lists] = partition, 1
	l.n++
	l.lists++
	return true
}

// extend adds a vCPU to the last list.
func (l *NotificationList) extend(vcpu uint16) bool {
	if l.n == l.capacity() {
		l.More = true
		return false
	}
	l.ids[l.n] = vcpu
	l.n++
	l.lengths[l.lists-1]++
	return true
}

// Empty reports whether nothing is in the list.
func (l *NotificationList) Empty() bool { return l.lists == 0 }

// Regs returns the list as it stands in x2 to x7.
func (l *NotificationList) Regs() (x [6]uint64) {
	if l.More {
		x[0] = 1
	}
	x[0] |= uint64(l.lists) << listCount
	for i := range l.lists {
		x[0] |= uint64(l.lengths[i]-1) << (listLengths + 2*i)
	}
	per := l.capacity() / 5
	for i := range l.n {
		x[1+i/per] |= uint64(l.ids[i]) << (16 * (i % per))
	}
	return x
}
