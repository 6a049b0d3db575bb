package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Inspection is what a database looks like before it is opened.
type Inspection struct {
	Name    string // for messages; holds no secret
	Version int64  // of its schema; 0 for none, or for a file that does not exist yet
	Newest  int64  // version of the schema that this program makes
}

// Inspect looks at a database without changing it: nothing is made or migrated. dsn and dataDir are as for Open. The error
// is what Open would fail with, but for a schema that is newer than this program, which the Inspection shows.
func Inspect(ctx context.Context, dsn, dataDir string) (Inspection, error) {
	if dsn == "" {
		return inspectSQLite(ctx, dataDir)
	}
	i := Inspection{Newest: newestVersion("postgres")}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		// Not the parser's error: it may quote the password.
		return i, errors.New("open database: the DSN cannot be read (it is not shown, as it may hold a password): " +
			"it must look like postgres://user:password@host:5432/name?sslmode=require")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTime
	}
	i.Name = postgresName(cfg.Host, cfg.Port, cfg.Database, cfg.User)
	db := stdlib.OpenDB(*cfg)
	defer db.Close() // only read
	i.Version, err = schemaVersion(ctx, db)
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "42P01" { // no such table
		err = nil
	}
	if err != nil {
		return i, fmt.Errorf("open %s: %w", i.Name, explainPostgres(err))
	}
	return i, nil
}

func inspectSQLite(ctx context.Context, dataDir string) (Inspection, error) {
	path, err := filepath.Abs(filepath.Join(dataDir, sqliteFile))
	if err != nil {
		return Inspection{}, fmt.Errorf("find data directory %s: %w", dataDir, err)
	}
	i := Inspection{Name: "sqlite " + path, Newest: newestVersion("sqlite")}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return i, nil
	}
	if err != nil {
		return i, fmt.Errorf("open %s: %w", i.Name, err)
	}
	db, err := sql.Open("sqlite", sqliteDSN(path)+"&mode=rw")
	if err != nil {
		return i, fmt.Errorf("open %s: %w", i.Name, explainSQLite(err))
	}
	defer db.Close() // only read
	var tables int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'").Scan(&tables)
	if err == nil && tables > 0 {
		i.Version, err = schemaVersion(ctx, db)
	}
	if err != nil {
		return i, fmt.Errorf("open %s: %w", i.Name, explainSQLite(err))
	}
	return i, nil
}

func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var v sql.NullInt64
	err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM schema_version WHERE is_applied").Scan(&v)
	return v.Int64, err
}

// newestVersion returns the number of the last migration of a kind of database.
func newestVersion(dir string) (newest int64) {
	files, _ := migrations.ReadDir("migrations/" + dir) // embedded
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}
