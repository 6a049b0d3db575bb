package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/internal/auth"
)

// Errors of the administration of keys.
var (
	ErrNameTaken = errors.New("a key of that name exists")
	ErrRevoked   = errors.New("the key is revoked already")
	ErrAmbiguous = errors.New("more than one key fits")
)

// minPrefix is the shortest beginning of a key that RevokeKey takes for one: the common mark and two characters.
const minPrefix = 12

const keyColumns = "id, name, prefix, hash, models, concurrency, tier, limits, created_us, revoked_us"

// KeyByHash returns the key with a hash, revoked or not; the error is auth.ErrNoKey if there is none.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (auth.Key, error) {
	query := s.dialect.rebind("SELECT " + keyColumns + " FROM keys WHERE hash = ?")
	k, err := scanKey(s.read.QueryRowContext(ctx, query, hash[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Key{}, auth.ErrNoKey
	}
	if err != nil {
		return auth.Key{}, s.explain("read key", err)
	}
	return k, nil
}

// KeysChangedSince returns the keys made or revoked after change number seq, and the newest change number.
func (s *Store) KeysChangedSince(ctx context.Context, seq int64) ([]auth.Key, int64, error) {
	query := s.dialect.rebind("SELECT " + keyColumns + ", seq FROM keys WHERE seq > ? ORDER BY seq")
	rows, err := s.read.QueryContext(ctx, query, seq)
	if err != nil {
		return nil, 0, s.explain("read changed keys", err)
	}
	defer rows.Close()
	var keys []auth.Key
	for rows.Next() {
		k, err := scanKey(func(dst ...any) error { return rows.Scan(append(dst, &seq)...) })
		if err != nil {
			return nil, 0, s.explain("read changed keys", err)
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, s.explain("read changed keys", err)
	}
	return keys, seq, nil
}

// Keys returns all keys, revoked ones included, by name and then by age.
func (s *Store) Keys(ctx context.Context) ([]auth.Key, error) {
	return s.keys(ctx, "1 = 1 ORDER BY name, created_us, id")
}

// CreateKey stores a key. The error is ErrNameTaken if a good key has its name; names of revoked keys are free.
func (s *Store) CreateKey(ctx context.Context, k auth.Key) error {
	if err := k.Validate(); err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	models, err := json.Marshal(append([]string{}, k.Models...))
	if err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	return s.changeKeys(ctx, "create key", func(tx *sql.Tx, seq int64) error {
		var one int
		err := tx.QueryRowContext(ctx, s.dialect.rebind("SELECT 1 FROM keys WHERE name = ? AND revoked_us = 0"), k.Name).Scan(&one)
		if err == nil {
			return fmt.Errorf("%w: %s", ErrNameTaken, k.Name)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = tx.ExecContext(ctx, s.dialect.rebind("INSERT INTO keys ("+keyColumns+", seq) VALUES (?,?,?,?,?,?,?,?,?,?,?)"),
			k.ID, k.Name, k.Prefix, k.Hash[:], string(models), k.Concurrency, k.Tier, k.MarshalLimits(), micros(k.Created), micros(k.Revoked), seq)
		return err
	})
}

// RevokeKey revokes the one key that ref names, and returns it as it was. ref is an id, the name of a good key, the key
// itself, or the first characters of its shown prefix (at least 12). Errors: auth.ErrNoKey, ErrRevoked, ErrAmbiguous with the keys that fit.
func (s *Store) RevokeKey(ctx context.Context, ref string, now time.Time) (auth.Key, error) {
	k, err := s.findKey(ctx, ref)
	if err != nil {
		return k, err
	}
	err = s.changeKeys(ctx, "revoke key", func(tx *sql.Tx, seq int64) error {
		res, err := tx.ExecContext(ctx, s.dialect.rebind("UPDATE keys SET revoked_us = ?, seq = ? WHERE id = ? AND revoked_us = 0"),
			micros(now), seq, k.ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		return ErrRevoked
	})
	return k, err
}

// findKey returns the one key that ref names: the first way of naming that fits any key decides.
func (s *Store) findKey(ctx context.Context, ref string) (auth.Key, error) {
	hash := sha256.Sum256([]byte(ref))
	type way struct {
		cond string
		arg  any
	}
	ways := []way{
		{"id = ?", ref},
		{"hash = ?", hash[:]},
		{"revoked_us = 0 AND name = ?", ref},
		{"name = ?", ref}, // revoked ones, to say so
	}
	if len(ref) >= minPrefix {
		ways = append(ways, way{fmt.Sprintf("revoked_us = 0 AND substr(prefix, 1, %d) = ?", len(ref)), ref})
	}
	for _, w := range ways {
		keys, err := s.keys(ctx, w.cond, w.arg)
		switch {
		case err != nil:
			return auth.Key{}, err
		case len(keys) == 0:
			continue
		case !keys[0].Revoked.IsZero():
			return keys[0], ErrRevoked
		case len(keys) > 1:
			names := make([]string, len(keys))
			for i, k := range keys {
				names[i] = fmt.Sprintf("%s (%s)", k.Name, k.ID)
			}
			return auth.Key{}, fmt.Errorf("%w: %s", ErrAmbiguous, strings.Join(names, ", "))
		}
		return keys[0], nil
	}
	return auth.Key{}, auth.ErrNoKey
}

// keys reads the keys that fit a condition.
func (s *Store) keys(ctx context.Context, cond string, args ...any) ([]auth.Key, error) {
	rows, err := s.read.QueryContext(ctx, s.dialect.rebind("SELECT "+keyColumns+" FROM keys WHERE "+cond), args...)
	if err != nil {
		return nil, s.explain("read keys", err)
	}
	defer rows.Close()
	var keys []auth.Key
	for rows.Next() {
		k, err := scanKey(rows.Scan)
		if err != nil {
			return nil, s.explain("read keys", err)
		}
		keys = append(keys, k)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain("read keys", err)
	}
	return keys, nil
}

// changeKeys runs do in a transaction, with the number of the change. Changes of keys exclude each other from before
// the number is drawn until the commit: a reader that has seen number n has seen all below it.
func (s *Store) changeKeys(ctx context.Context, verb string, do func(tx *sql.Tx, seq int64) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(verb, err)
	}
	defer tx.Rollback() // does nothing after Commit
	if s.dialect.keyLock != "" {
		if _, err := tx.ExecContext(ctx, s.dialect.keyLock); err != nil {
			return s.explain(verb, err)
		}
	}
	var seq int64
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(seq), 0) + 1 FROM keys").Scan(&seq); err != nil {
		return s.explain(verb, err)
	}
	switch err := do(tx, seq); {
	case errors.Is(err, ErrNameTaken), errors.Is(err, ErrRevoked):
		return err
	case err != nil:
		return s.explain(verb, err)
	}
	if err := tx.Commit(); err != nil {
		return s.explain(verb, err)
	}
	return nil
}

// scanKey reads one row of keyColumns.
func scanKey(scan func(...any) error) (auth.Key, error) {
	var k auth.Key
	var hash, models, limits []byte
	var created, revoked int64
	err := scan(&k.ID, &k.Name, &k.Prefix, &hash, &models, &k.Concurrency, &k.Tier, &limits, &created, &revoked)
	if err != nil {
		return k, err
	}
	if len(hash) != len(k.Hash) {
		return k, fmt.Errorf("read key %s: its hash has %d bytes", k.ID, len(hash))
	}
	copy(k.Hash[:], hash)
	if err := json.Unmarshal(models, &k.Models); err != nil {
		return k, fmt.Errorf("read models of key %s: %w", k.ID, err)
	}
	if len(k.Models) == 0 {
		k.Models = nil
	}
	if err := k.UnmarshalLimits(limits); err != nil {
		return k, err
	}
	k.Created, k.Revoked = fromMicros(created), fromMicros(revoked)
	return k, nil
}

// micros and fromMicros keep the zero time as 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
