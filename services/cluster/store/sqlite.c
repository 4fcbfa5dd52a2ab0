/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store's thread. The loop queues requests; the thread takes all that have gathered, applies them in one transaction,
 * commits, and hands the whole batch back through an eventfd. While it waits for the disk the next batch gathers: that is the
 * group commit, and it needs no timer.
 *
 *	loop		waiting ----> thread: apply, commit ----> done ----> loop: events, answers
 *
 * Lazy writes are answered without a commit. They are remembered until one, because a commit that fails takes back the
 * whole transaction, and what was told to somebody must be put in again.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "cluster/store/sqlite_db.h"
#include "lib/log.h"
#include "lib/loop.h"

enum { STACK_BYTES = 256 * 1024 };

struct request {
	struct store_write w; /* points into data */
	store_done *done;
	store_snapshot_done *snapshot_done; /* of a snapshot: w.key is the path */
	void *arg;
	int err;
	int64_t revision;
	struct request *next;
	char data[]; /* the value, then the key */
};

struct queue {
	struct request *first, **last;
};

struct sqlite {
	struct store store;
	struct loop *loop;
	struct loop_io io; /* an eventfd: done is not empty */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue waiting, done; /* under lock */
	bool closing;		    /* under lock */

	/* the thread's */
	struct sqlite_db *db;
	struct queue lazy; /* applied and not committed */
	size_t n_lazy;
	struct timespec lazy_until; /* then they are, monotonic; of the first of them */
	_Atomic int dead;	    /* why nothing can be written any more; the loop reads it, too */

	bool told_dead; /* the loop's */
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_add(struct queue *q, struct request *r)
{
	r->next = NULL;
	*q->last = r;
	q->last = &r->next;
}

/* Moves all of @from behind @to. */
static void queue_move(struct queue *to, struct queue *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	queue_init(from);
}

static void queue_free(struct queue *q)
{
	while (q->first) {
		struct request *r = q->first;

		q->first = r->next;
		free(r);
	}
	queue_init(q);
}

static struct request *request_new(const struct store_write *w)
{
	size_t key = strlen(w->key) + 1, len = w->value ? w->len : 0;
	struct request *r = calloc(1, sizeof(*r) + len + key);

	if (!r)
		return NULL;
	r->w = *w;
	if (w->value)
		r->w.value = memcpy(r->data, w->value, len);
	r->w.key = memcpy(r->data + len, w->key, key);
	return r;
}

/* ---- the thread */

int64_t store_lazy_ms = 30000;

static struct timespec lazy_end(void)
{
	struct timespec t;
	int64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ns = t.tv_nsec + store_lazy_ms % 1000 * 1000000;
	return (struct timespec){t.tv_sec + store_lazy_ms / 1000 + ns / 1000000000, ns % 1000000000};
}

static bool is_past(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > t->tv_sec || (now.tv_sec == t->tv_sec && now.tv_nsec >= t->tv_nsec);
}

static void forget_lazy(struct sqlite *s)
{
	queue_free(&s->lazy);
	s->n_lazy = 0;
}

static void restore_lazy(struct sqlite *s)
{
	for (const struct request *r = s->lazy.first; r && !s->dead; r = r->next)
		s->dead = sqlite_db_apply_again(s->db, &r->w, r->revision);
	if (s->dead)
		log_errno(-s->dead, "store=sqlite op=restore msg=\"no more writes until a restart\"");
}

static int commit(struct sqlite *s)
{
	int err = sqlite_db_commit(s->db);

	if (err)
		restore_lazy(s);
	else
		forget_lazy(s);
	return err;
}

/* Whatever of the batch was applied is taken back, and says so. */
static void fail(struct queue *batch, int err)
{
	for (struct request *r = batch->first; r; r = r->next)
		if (!r->err && !r->snapshot_done)
			r->err = err;
}

/* Remembers the batch's writes until the next commit; false: there is no room for that, commit now. */
static bool remember(struct sqlite *s, const struct queue *batch)
{
	struct queue copies;
	size_t n = 0;

	queue_init(&copies);
	for (const struct request *r = batch->first; r; r = r->next) {
		if (r->err || r->snapshot_done)
			continue;

		struct request *copy = request_new(&r->w);

		if (!copy || s->n_lazy + ++n > SQLITE_DB_UNCOMMITTED_MAX / 2) {
			free(copy);
			queue_free(&copies);
			return false;
		}
		copy->revision = r->revision;
		queue_add(&copies, copy);
	}
	if (!s->n_lazy)
		s->lazy_until = lazy_end();
	queue_move(&s->lazy, &copies);
	s->n_lazy += n;
	return true;
}

static void work(struct sqlite *s, struct queue *batch)
{
	bool durable = false, any = false;
	int err = s->dead;

	for (struct request *r = batch->first; r && !err; r = r->next) {
		if (r->snapshot_done)
			continue;
		r->err = sqlite_db_apply(s->db, &r->w, &r->revision);
		if (r->err && r->err != -ESTALE) {
			/* SQLite may have taken the transaction back on its own. */
			err = r->err;
			sqlite_db_rollback(s->db);
			restore_lazy(s);
		} else if (!r->err) {
			any = true;
			durable |= !(r->w.flags & STORE_LAZY);
		}
	}
	if (!err && any && (durable || !remember(s, batch)))
		err = commit(s);
	if (err)
		fail(batch, err);
	for (struct request *r = batch->first; r; r = r->next) {
		if (!r->snapshot_done)
			continue;
		r->err = s->dead ? s->dead : s->n_lazy ? commit(s) : 0;
		if (!r->err)
			r->err = sqlite_db_snapshot(s->db, r->w.key);
	}
}

/* Until there is work, or it is time to put lazy writes on the disk. */
static void wait_for_work(struct sqlite *s)
{
	int err = 0;

	while (!s->waiting.first && !s->closing && err != ETIMEDOUT)
		err = s->n_lazy ? pthread_cond_timedwait(&s->wake, &s->lock, &s->lazy_until)
				: pthread_cond_wait(&s->wake, &s->lock);
}

static void *thread_main(void *arg)
{
	struct sqlite *s = arg;
	struct queue batch;

	queue_init(&batch);
	pthread_mutex_lock(&s->lock);
	for (;;) {
		wait_for_work(s);
		if (s->closing && !s->waiting.first)
			break;
		queue_move(&batch, &s->waiting);
		pthread_mutex_unlock(&s->lock);
		work(s, &batch);
		/* logged, and tried again, when it fails */
		if (s->n_lazy && is_past(&s->lazy_until) && commit(s))
			s->lazy_until = lazy_end();
		pthread_mutex_lock(&s->lock);
		if (batch.first) {
			queue_move(&s->done, &batch);
			eventfd_write(s->io.fd, 1);
		}
	}
	pthread_mutex_unlock(&s->lock);
	if (s->n_lazy)
		(void)!commit(s);
	return NULL;
}

/* ---- the loop */

static void on_done(struct loop_io *io, uint32_t events)
{
	struct sqlite *s = container_of(io, struct sqlite, io);
	struct queue done;
	eventfd_t n;
	int dead = s->dead;

	queue_init(&done);
	eventfd_read(io->fd, &n);
	pthread_mutex_lock(&s->lock);
	queue_move(&done, &s->done);
	pthread_mutex_unlock(&s->lock);
	while (done.first) {
		struct request *r = done.first;

		done.first = r->next;
		if (r->snapshot_done) {
			r->snapshot_done(r->err, r->arg);
		} else {
			if (!r->err)
				s->store.events->item(
					&(struct store_item){r->w.key, r->w.value, r->w.len, r->revision},
					s->store.arg);
			if (r->done)
				r->done(r->err, r->revision, r->arg);
		}
		free(r);
	}
	if (dead && !s->told_dead) {
		s->told_dead = true;
		s->store.events->failed(dead, s->store.arg);
	}
}

static void submit(struct sqlite *s, struct request *r)
{
	pthread_mutex_lock(&s->lock);
	queue_add(&s->waiting, r);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

static int sqlite_load(struct store *store, void (*fn)(const struct store_item *item, void *arg), void *arg,
	int64_t *revision)
{
	struct sqlite *s = container_of(store, struct sqlite, store);

	/* The thread has had no work yet: the database is still ours. */
	*revision = sqlite_db_revision(s->db);
	return sqlite_db_load(s->db, fn, arg);
}

static int sqlite_write(struct store *store, const struct store_write *w, store_done *done, void *arg)
{
	struct sqlite *s = container_of(store, struct sqlite, store);
	struct request *r = request_new(w);

	if (!r)
		return -ENOMEM;
	r->done = done;
	r->arg = arg;
	submit(s, r);
	return 0;
}

static int sqlite_snapshot(struct store *store, const char *path, store_snapshot_done *done, void *arg)
{
	struct sqlite *s = container_of(store, struct sqlite, store);
	struct request *r = request_new(&(struct store_write){.key = path});

	if (!r)
		return -ENOMEM;
	r->snapshot_done = done;
	r->arg = arg;
	submit(s, r);
	return 0;
}

static void sqlite_close(struct store *store)
{
	struct sqlite *s = container_of(store, struct sqlite, store);

	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	loop_io_del(&s->io);
	close(s->io.fd);
	queue_free(&s->done);
	queue_free(&s->lazy);
	sqlite_db_close(s->db);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct store_ops sqlite_ops = {
	.load = sqlite_load,
	.write = sqlite_write,
	.snapshot = sqlite_snapshot,
	.close = sqlite_close,
};

static int start_thread(struct sqlite *s)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&s->thread, &attr, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int store_sqlite_open(struct store **out, struct loop *l, const char *path, const struct store_events *events,
	void *arg, char **why)
{
	struct sqlite *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;
	int fd, err;

	*why = NULL;
	if (!s)
		return -ENOMEM;
	s->store = (struct store){.ops = &sqlite_ops, .events = events, .arg = arg};
	queue_init(&s->waiting);
	queue_init(&s->done);
	queue_init(&s->lazy);
	err = sqlite_db_open(&s->db, path, why);
	if (err) {
		free(s);
		return err;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = fd < 0 ? -errno : loop_io_add(l, &s->io, fd, EPOLLIN, on_done);
	if (!err)
		err = start_thread(s);
	if (!err) {
		*out = &s->store;
		return 0;
	}
	loop_io_del(&s->io);
	if (fd >= 0)
		close(fd);
	sqlite_db_close(s->db);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return err;
}
