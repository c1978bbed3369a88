package vmm

import (
	"log/slog"
	"sync/atomic"
)

// maxReports is how often a guest, which does a thing as often as it likes, can have that logged.
const maxReports = 20

// repeats counts how often a guest did such a thing.
type repeats struct{ n atomic.Uint64 }

// warn logs it for one time more. The last line that is logged says that it is the last.
func (r *repeats) warn(log *slog.Logger, message string, attrs ...any) {
	n := r.n.Add(1)
	if n > maxReports {
		return
	}
	if n == maxReports {
		attrs = append(attrs, "more", "is not logged")
	}
	log.Warn(message, attrs...)
}
