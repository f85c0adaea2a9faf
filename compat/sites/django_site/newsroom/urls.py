from django.urls import path
from django.views.decorators.cache import cache_page

from newsroom import views

urlpatterns = [
    path("", views.front_page),
    path("article/<slug:slug>/", cache_page(60)(views.article)),
    path("archive/<slug:slug>/", cache_page(60, cache="archive", key_prefix="old")(views.article)),
    path("greeting/", views.greeting),
    path("ticker/", views.ticker),
    path("sections/", views.sections),
    path("basket/", views.basket),
    path("basket/empty/", views.empty_basket),
    path("async-basket/", views.async_basket),
    path("notice/", views.notice),
    path("login/", views.log_in),
    path("profile/", views.profile),
    path("topic/<str:name>/", views.topic),
    path("desk/", views.desk),
    path("counter/", views.counter),
    path("report/", views.report),
    path("clear/", views.clear),
]
