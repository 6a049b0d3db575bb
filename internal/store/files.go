package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"sluice/internal/file"
)

var _ file.Keeper = (*Store)(nil)

// States of a row of files.
const (
	fileUploading = "uploading"
	fileProcessed = "processed"
	fileRemoved   = "removed"
)

const fileColumns = "id, key_name, filename, purpose, mime, bytes, created_us, expires_us"

// CreateFile begins an upload; see file.Keeper.
func (s *Store) CreateFile(ctx context.Context, id, key string, now time.Time) error {
	if !file.IsID(id) {
		return fmt.Errorf("begin upload: %.80q is no id of a file", id)
	}
	return s.change(ctx, "begin upload of "+id, func(do func(query string, args ...any) error) error {
		return do("INSERT INTO files ("+fileColumns+", status, touched_us) VALUES (?, ?, '', '', '', 0, ?, 0, ?, ?)",
			id, key, micros(now), fileUploading, micros(now))
	})
}

// AppendFile stores the next chunks of an upload; see file.Keeper. The sum of all files is looked at within the transaction, so that
// uploads at one time go over maxBytes by their last chunks at most.
func (s *Store) AppendFile(ctx context.Context, id string, first int, chunks [][]byte, now time.Time, maxBytes int64) error {
	verb := "store chunks of " + id
	size := int64(0)
	for _, c := range chunks {
		size += int64(len(c))
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(verb, err)
	}
	defer tx.Rollback() // does nothing after Commit
	res, err := tx.ExecContext(ctx, s.dialect.rebind("UPDATE files SET bytes = bytes + ?, touched_us = ? WHERE id = ? AND status = ?"),
		size, micros(now), id, fileUploading)
	if err != nil {
		return s.explain(verb, err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return s.explain(verb, err)
	} else if n == 0 {
		return fmt.Errorf("%w: upload of %s was given up", file.ErrNotFound, id)
	}
	var total int64
	if err := tx.QueryRowContext(ctx, s.dialect.rebind("SELECT CAST(SUM(bytes) + COUNT(*) * ? AS BIGINT) FROM files"), int64(file.Overhead)).Scan(&total); err != nil {
		return s.explain(verb, err)
	}
	if total > maxBytes {
		return file.ErrFull
	}
	for i, c := range chunks {
		if _, err := tx.ExecContext(ctx, s.dialect.rebind("INSERT INTO file_chunks (file_id, seq, data) VALUES (?, ?, ?)"), id, first+i, c); err != nil {
			return s.explain(verb, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return s.explain(verb, err)
	}
	return nil
}

// FinishFile makes an upload a file; see file.Keeper. The error is file.ErrNotFound if the upload has been given up.
func (s *Store) FinishFile(ctx context.Context, f *file.File) error {
	return s.touch(ctx, "finish upload of "+f.ID, f.ID, "UPDATE files SET status = ?, filename = ?, purpose = ?, mime = ?, expires_us = ?"+
		" WHERE id = ? AND key_name = ? AND bytes = ? AND status = ?",
		fileProcessed, clean(f.Name, maxText), clean(f.Purpose, maxText), clean(f.MIME, maxText), micros(f.Expires), f.ID, f.Key, f.Bytes, fileUploading)
}

// touch runs a statement that changes the row of one file. The error is file.ErrNotFound if it changes none.
func (s *Store) touch(ctx context.Context, verb, id, query string, args ...any) error {
	res, err := s.write.ExecContext(ctx, s.dialect.rebind(query), args...)
	if err != nil {
		return s.explain(verb, err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return s.explain(verb, err)
	} else if n == 0 {
		return fmt.Errorf("%w: %s", file.ErrNotFound, id)
	}
	return nil
}

// File returns the file of an owner that has an id and has not expired by now. The error is file.ErrNotFound if there is none.
func (s *Store) File(ctx context.Context, key, id string, now time.Time) (file.File, error) {
	if !file.IsID(id) {
		return file.File{}, fmt.Errorf("%w: %.80q", file.ErrNotFound, id)
	}
	all, err := s.files(ctx, "id = ? AND key_name = ? AND status = ? AND expires_us > ?", id, key, fileProcessed, micros(now))
	if err != nil {
		return file.File{}, err
	}
	if len(all) == 0 {
		return file.File{}, fmt.Errorf("%w: %s", file.ErrNotFound, id)
	}
	return all[0], nil
}

// Files returns a page of an owner's files that have not expired by now, and whether there are more behind it. The id that it begins
// after need not be there any more.
func (s *Store) Files(ctx context.Context, key string, p file.Page, now time.Time) (all []file.File, more bool, err error) {
	where, args := []string{"key_name = ?", "status = ?", "expires_us > ?"}, []any{key, fileProcessed, micros(now)}
	if p.Purpose != "" {
		where, args = append(where, "purpose = ?"), append(args, clean(p.Purpose, maxText))
	}
	order, than := " DESC", " < ?"
	if p.Asc {
		order, than = "", " > ?"
	}
	if p.After != "" {
		where, args = append(where, "id"+than), append(args, clean(p.After, maxText))
	}
	all, err = s.files(ctx, strings.Join(where, " AND ")+" ORDER BY id"+order+" LIMIT ?", append(args, p.Limit+1)...)
	if err != nil || len(all) <= p.Limit {
		return all, false, err
	}
	return all[:p.Limit], true, nil
}

// files reads the rows that fit a condition.
func (s *Store) files(ctx context.Context, cond string, args ...any) (all []file.File, err error) {
	err = s.each(ctx, "read files", "SELECT "+fileColumns+" FROM files WHERE "+cond, args, func(scan func(...any) error) error {
		var f file.File
		var created, expires int64
		if err := scan(&f.ID, &f.Key, &f.Name, &f.Purpose, &f.MIME, &f.Bytes, &created, &expires); err != nil {
			return err
		}
		f.Created, f.Expires = fromMicros(created), fromMicros(expires)
		all = append(all, f)
		return nil
	})
	return all, err
}

// FileChunk returns one chunk of a file; see file.Keeper.
func (s *Store) FileChunk(ctx context.Context, id string, n int) ([]byte, error) {
	var data []byte
	err := s.read.QueryRowContext(ctx, s.dialect.rebind("SELECT data FROM file_chunks WHERE file_id = ? AND seq = ?"), id, n).Scan(&data)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("%w: chunk %d of %s", file.ErrNotFound, n, id)
	case err != nil:
		return nil, s.explain(fmt.Sprintf("read chunk %d of %s", n, id), err)
	}
	return data, nil
}

// DeleteFile deletes the file of an owner that has an id. The error is file.ErrNotFound if there is none. When it returns nil nobody sees
// the file any more; should its contents outlive an interruption, CleanFiles deletes them.
func (s *Store) DeleteFile(ctx context.Context, key, id string, now time.Time) error {
	if !file.IsID(id) {
		return fmt.Errorf("%w: %.80q", file.ErrNotFound, id)
	}
	err := s.touch(ctx, "delete file "+id, id, "UPDATE files SET status = ? WHERE id = ? AND key_name = ? AND status = ? AND expires_us > ?",
		fileRemoved, id, key, fileProcessed, micros(now))
	if err != nil {
		return err
	}
	_ = s.RemoveFile(ctx, id) // CleanFiles does the rest
	return nil
}

// removeBatch is how many chunks one statement deletes, so that none holds the database for long.
const removeBatch = 64

// RemoveFile deletes a file with all its chunks; see file.Keeper. Its row goes first out of sight and last out of the table, so that what
// an interruption leaves can be found.
func (s *Store) RemoveFile(ctx context.Context, id string) error {
	verb := "remove file " + id
	exec := func(query string, args ...any) (int64, error) {
		res, err := s.write.ExecContext(ctx, s.dialect.rebind(query), args...)
		if err != nil {
			return 0, s.explain(verb, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, s.explain(verb, err)
		}
		return n, nil
	}
	if _, err := exec("UPDATE files SET status = ? WHERE id = ?", fileRemoved, id); err != nil {
		return err
	}
	for {
		n, err := exec("DELETE FROM file_chunks WHERE file_id = ? AND seq IN (SELECT seq FROM file_chunks WHERE file_id = ? ORDER BY seq LIMIT ?)", id, id, removeBatch)
		if err != nil {
			return err
		}
		if n < removeBatch {
			break
		}
	}
	_, err := exec("DELETE FROM files WHERE id = ?", id)
	return err
}

// CleanFiles deletes files that have expired by now, uploads to which nothing has come for file.IdleUpload, and what is left of
// interrupted removals. It returns how many files it has deleted.
func (s *Store) CleanFiles(ctx context.Context, now time.Time) (deleted int64, err error) {
	for {
		all, err := s.files(ctx, "status = ? OR status = ? AND expires_us <= ? OR status = ? AND touched_us <= ? ORDER BY id LIMIT ?",
			fileRemoved, fileProcessed, micros(now), fileUploading, micros(now.Add(-file.IdleUpload)), cleanBatch)
		if err != nil {
			return deleted, err
		}
		for i := range all {
			if err := s.RemoveFile(ctx, all[i].ID); err != nil {
				return deleted, err
			}
			deleted++
		}
		if len(all) < cleanBatch {
			return deleted, nil
		}
	}
}
