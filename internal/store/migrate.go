package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrateTries is how often a migration is tried that another process may be running at the same moment.
const migrateTries = 5

// migrate brings the schema of db up to date. Each migration is one transaction. Two processes that open a fresh database
// together both try: one fails, and finds the work done when it tries again.
func migrate(ctx context.Context, db *sql.DB, kind goose.Dialect, dir string, opts ...goose.ProviderOption) error {
	files, err := fs.Sub(migrations, "migrations/"+dir)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	opts = append(opts, goose.WithDisableGlobalRegistry(true), goose.WithTableName("schema_version"))
	p, err := goose.NewProvider(kind, db, files, opts...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	for try := 1; ; try++ {
		err := migrateOnce(ctx, p)
		if err == nil || try == migrateTries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50*time.Millisecond + rand.N(150*time.Millisecond)):
		}
	}
}

// migrateOnce applies what is missing, unless the database is ahead of this program.
func migrateOnce(ctx context.Context, p *goose.Provider) error {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if current > target {
		return &newerError{current, target}
	}
	if current == target {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema from version %d to %d: %w", current, target, err)
	}
	return nil
}

// newerError says that a later version of the program has changed the schema.
type newerError struct{ current, target int64 }

// Error returns the versions and the way out.
func (e *newerError) Error() string {
	return fmt.Sprintf("its schema has version %d, newer than the %d of this program: use the newer sluice, or another database",
		e.current, e.target)
}
