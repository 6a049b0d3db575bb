package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// connectTime bounds one attempt to connect, unless the DSN says otherwise.
const connectTime = 5 * time.Second

// openPostgres connects to a server.
func openPostgres(ctx context.Context, dsn string) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// Neither the DSN nor the parser's error, which may quote it: where the password begins is anyone's guess.
		return nil, errors.New("open database: the DSN cannot be read (it is not shown, as it may hold a password): " +
			"it must look like postgres://user:password@host:5432/name?sslmode=require")
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = connectTime
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "sluice"
	}
	name := postgresName(cfg.ConnConfig.Host, cfg.ConnConfig.Port, cfg.ConnConfig.Database, cfg.ConnConfig.User)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, explainPostgres(err))
	}
	db := stdlib.OpenDBFromPool(pool)
	s := &Store{
		name:    name,
		dialect: postgresDialect(),
		write:   db,
		read:    db,
		calls:   &postgresCalls{pool: pool, query: postgresInsert()},
		closers: []func() error{db.Close, func() error { pool.Close(); return nil }},
	}
	fail := func(err error) (*Store, error) {
		return nil, errors.Join(fmt.Errorf("open %s: %w", name, explainPostgres(err)), s.Close())
	}
	if err := pool.Ping(ctx); err != nil {
		return fail(err)
	}
	// Replicas that start together wait for the one that migrates.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return fail(err)
	}
	if err := migrate(ctx, db, goose.DialectPostgres, "postgres", goose.WithSessionLocker(locker)); err != nil {
		return fail(err)
	}
	return s, nil
}

// postgresName is how messages name a server.
func postgresName(host string, port uint16, database, user string) string {
	if !strings.HasPrefix(host, "/") { // not a socket's directory
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	return fmt.Sprintf("postgres %s/%s as user %s", host, database, user)
}

func postgresDialect() dialect {
	return dialect{
		rebind:   dollars,
		tagMatch: "calls.tags @> jsonb_build_array(?::text)",
		tagJoin:  "CROSS JOIN LATERAL jsonb_array_elements_text(calls.tags) AS tag(value)",
		keyLock:  "LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE",
		explain:  explainPostgres,
	}
}

// dollars turns each ? into $1, $2 and so on; queries of this package have no ? in literals.
func dollars(q string) string {
	var b strings.Builder
	n := 0
	for {
		before, after, found := strings.Cut(q, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
		q = after
	}
}

// explainPostgres adds what to do about an error. Errors of pgx name user, database and address, never the password.
func explainPostgres(err error) error {
	var connect *pgconn.ConnectError
	var server *pgconn.PgError
	switch {
	case errors.As(err, &server) && server.Code == "53100":
		return fmt.Errorf("the server's disk is full: %w", err)
	case errors.As(err, &server) && (server.Code == "28P01" || server.Code == "28000"):
		return fmt.Errorf("the server refuses the user or password: %w", err)
	case errors.As(err, &server) && server.Code == "42501":
		return fmt.Errorf("the user lacks a permission: %w", err)
	case errors.As(err, &connect):
		return fmt.Errorf("the server cannot be reached: %w", err)
	}
	return err
}
