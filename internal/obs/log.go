package obs

import (
	"io"
	"log/slog"
)

// LogOptions are the settings of NewLogger.
type LogOptions struct {
	Level   slog.Leveler // nil means slog.LevelInfo
	Format  string       // "json" or "text"
	Metrics *Metrics     // counts records kept back; may be nil
}

// NewLogger makes the process's logger.
func NewLogger(w io.Writer, o LogOptions) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }
