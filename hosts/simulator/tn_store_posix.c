/*
 * Stores as folders (mode 0700) with a file a value (mode 0600). A set writes another file, flushes it, and renames it over the old one: after a crash at
 * any moment there is the old value or the new one.
 *
 * A name with a slash is a path; any other is a folder in $XDG_STATE_HOME/tailnet, by default ~/.local/state/tailnet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tn_store.h"

#define PATH_SIZE 1024
#define KEY_MAX 64
#define FOLDER_MODE 0700
#define FILE_MODE 0600

struct tn_store {
	char folder[PATH_SIZE];
};

/** Makes a folder with those above it. */
static bool make_folder(char *path)
{
	for (char *slash = path + 1;; slash++) {
		if (*slash != '/' && *slash != '\0')
			continue;
		char kept = *slash;
		*slash = '\0';
		bool is_made = mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST;
		*slash = kept;
		if (kept == '\0' || !is_made)
			return is_made;
	}
}

struct tn_store *tn_store_open(const char *name)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct tn_store *store = calloc(1, sizeof *store);
	if (store == NULL)
		return NULL;
	int length;
	if (strchr(name, '/') != NULL)
		length = snprintf(store->folder, sizeof store->folder, "%s", name);
	else if (state != NULL && state[0] == '/')
		length = snprintf(store->folder, sizeof store->folder, "%s/tailnet/%s", state, name);
	else
		length = snprintf(store->folder, sizeof store->folder, "%s/.local/state/tailnet/%s", home != NULL ? home : ".", name);
	if (length <= 0 || (size_t)length >= sizeof store->folder || !make_folder(store->folder)) {
		free(store);
		return NULL;
	}
	return store;
}

static bool make_path(const struct tn_store *store, const char *key, const char *suffix, char out[PATH_SIZE])
{
	size_t length = strlen(key);
	if (length == 0 || length > KEY_MAX || strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != length)
		return false;
	int size = snprintf(out, PATH_SIZE, "%s/%s%s", store->folder, key, suffix);
	return size > 0 && size < PATH_SIZE;
}

int tn_store_get(struct tn_store *store, const char *key, uint8_t *out, size_t size)
{
	char path[PATH_SIZE];
	if (!make_path(store, key, "", path))
		return -2;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -1 : -2;
	size_t length = 0;
	ssize_t part = 0;
	while (length < size && (part = read(fd, out + length, size - length)) > 0)
		length += (size_t)part;
	close(fd);
	return part < 0 ? -2 : (int)length;
}

static bool write_all(int fd, const uint8_t *value, size_t length)
{
	while (length > 0) {
		ssize_t part = write(fd, value, length);
		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return false;
		value += part;
		length -= (size_t)part;
	}
	return fsync(fd) == 0;
}

/** The name of a file lasts, and its end does, only when its folder was flushed. A file system that cannot do that (EINVAL) needs it not. */
static bool flush_folder(const struct tn_store *store)
{
	int fd = open(store->folder, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool is_flushed = fsync(fd) == 0 || errno == EINVAL;
	close(fd);
	return is_flushed;
}

bool tn_store_set(struct tn_store *store, const char *key, const uint8_t *value, size_t length)
{
	char path[PATH_SIZE], other[PATH_SIZE];
	if (length > TN_STORE_VALUE_MAX || !make_path(store, key, "", path) || !make_path(store, key, ".new", other))
		return false;
	int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return false;
	bool is_written = write_all(fd, value, length);
	if (close(fd) != 0)
		is_written = false;
	if (!is_written || rename(other, path) != 0) {
		unlink(other);
		return false;
	}
	return flush_folder(store);
}

bool tn_store_delete(struct tn_store *store, const char *key)
{
	char path[PATH_SIZE];
	if (!make_path(store, key, "", path))
		return false;
	if (unlink(path) != 0 && errno != ENOENT)
		return false;
	return flush_folder(store);
}

void tn_store_close(struct tn_store *store)
{
	free(store);
}
