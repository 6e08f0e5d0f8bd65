/*
 * Windows: a hub is a window that is never seen, of the thread of its VM, whose message loop calls it. Posting is a message; the alarm is the window's timer.
 *
 * It is a window of our own, destroyed with the hub, which forgets its messages: the SDK's would be given one for a library that was unloaded.
 */
#include <winsock2.h> /* before windows.h, which else has an older one */
#include <windows.h>

#include "tn_hub.h"
#include "tn_host.h"
#include "tn_libraries_win32.h"

#define WM_TN_POST (WM_APP + 1)
#define ALARM_ID 1

static const WCHAR class_name[] = L"tailnet hub";

static LRESULT CALLBACK receive(HWND window, UINT message, WPARAM first, LPARAM second)
{
	if (message != WM_TN_POST && message != WM_TIMER)
		return DefWindowProcW(window, message, first, second);
	struct tn_hub *hub = (struct tn_hub *)GetWindowLongPtrW(window, GWLP_USERDATA);
	/* A timer of a window comes again and again. */
	if (message == WM_TIMER)
		KillTimer(window, ALARM_ID);
	if (hub != NULL)
		tn_hub_deliver(hub);
	return 0;
}

/** The library that this is part of, which owns the class of the windows. */
static HINSTANCE own_library(void)
{
	HMODULE module = NULL;
	GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, class_name, &module);
	return module;
}

void *tn_hub_host_open(struct tn_hub *hub, void *machine)
{
	const HINSTANCE library = own_library();
	const WNDCLASSEXW class = {.cbSize = sizeof class, .lpfnWndProc = receive, .hInstance = library, .lpszClassName = class_name};
	HWND window;
	(void)machine;
	/* The class may be there, by a hub of another thread; that one may also take it away before the window is made. */
	do {
		RegisterClassExW(&class);
		window = CreateWindowExW(0, class_name, NULL, 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, library, NULL);
	} while (window == NULL && GetLastError() == ERROR_CANNOT_FIND_WND_CLASS);
	if (window != NULL)
		SetWindowLongPtrW(window, GWLP_USERDATA, (LONG_PTR)hub);
	return window;
}

void tn_hub_host_post(void *host)
{
	PostMessageW(host, WM_TN_POST, 0, 0);
}

void tn_hub_host_alarm(void *host, uint64_t at_ms)
{
	const uint64_t now = tn_host_now_ms();
	KillTimer(host, ALARM_ID);
	if (at_ms == UINT64_MAX)
		return;
	const uint64_t left = at_ms > now ? at_ms - now : 0;
	SetTimer(host, ALARM_ID, left > USER_TIMER_MAXIMUM ? USER_TIMER_MAXIMUM : (UINT)left, NULL);
}

void tn_hub_host_close(void *host)
{
	SetWindowLongPtrW(host, GWLP_USERDATA, 0);
	DestroyWindow(host);
	/* Refused while another hub has a window. */
	UnregisterClassW(class_name, own_library());
}
