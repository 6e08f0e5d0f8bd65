/*
 * News of the network: netlink on Linux, a routing socket elsewhere.
 */
#include "tn_link.h"

#include <stdlib.h>
#ifdef __linux__
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#else
#include <net/route.h>
#endif

struct tn_link {
	int fd;
};

static int open_news(void)
{
	int fd;
#ifdef __linux__
	struct sockaddr_nl groups = {
	    .nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
	};
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)(const void *)&groups, sizeof groups) != 0) {
		close(fd);
		fd = -1;
	}
#else
	fd = socket(PF_ROUTE, SOCK_RAW, 0);
#endif
	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	}
	return fd;
}

struct tn_link *tn_link_open(struct tn_wait *wait)
{
	struct tn_link *link = calloc(1, sizeof *link);
	(void)wait;
	if (link != NULL && (link->fd = open_news()) < 0) {
		free(link);
		link = NULL;
	}
	return link;
}

void tn_link_close(struct tn_link *link)
{
	if (link != NULL)
		close(link->fd);
	free(link);
}

tn_bsd tn_link_socket(const struct tn_link *link)
{
	return link != NULL ? link->fd : TN_BSD_NONE;
}

bool tn_link_take(struct tn_link *link)
{
	uint8_t news[8192];
	bool has_news = false;
	while (link != NULL) {
		ssize_t size = recv(link->fd, news, sizeof news, 0);
		if (size > 0 || (size < 0 && errno == ENOBUFS)) /* ENOBUFS: some were lost */
			has_news = true;
		else if (size == 0 || errno != EINTR)
			return has_news;
	}
	return false;
}
